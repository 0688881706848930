import type { Readable, Writable } from 'node:stream';
import { type ExecSession, PodwrightError, type TerminalSize } from '@podwright/core';
import type { Channel, Message } from './channel.js';
import { deliver, readableEnd, writableOver } from './pipes.js';

/** A command that runs on the far side. */
export class RemoteExecSession implements ExecSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  readonly exitCode: Promise<number>;

  constructor(
    private readonly channel: Channel,
    has: { readonly stdin: boolean; readonly stderr: boolean },
  ) {
    const sinks = has.stderr ? { 1: readableEnd(), 2: readableEnd() } : { 1: readableEnd() };
    this.stdout = sinks[1];
    if (sinks[2]) this.stderr = sinks[2];
    if (has.stdin) this.stdin = writableOver(channel, 0);
    this.exitCode = this.#follow(sinks);
    // Nobody has to ask for it.
    this.exitCode.catch(() => undefined);
  }

  resize(size: TerminalSize): Promise<void> {
    return this.#tell({ type: 'resize', size });
  }

  kill(): Promise<void> {
    return this.#tell({ type: 'kill' });
  }

  /** What has ended by now needs to be told nothing; whether it has, `exitCode` says. */
  async #tell(message: Message): Promise<void> {
    await this.channel.send(message).catch(() => undefined);
  }

  async #follow(sinks: Parameters<typeof deliver>[1]): Promise<number> {
    for await (const message of this.channel.messages) {
      if (message.type === 'exit') {
        this.channel.close();
        return message.code;
      }
      await deliver(message, sinks);
    }
    this.channel.close();
    const lost = new PodwrightError('unavailable', 'The far side went away while a command ran on it.');
    for (const sink of Object.values(sinks)) sink.destroy(lost);
    throw lost;
  }
}
