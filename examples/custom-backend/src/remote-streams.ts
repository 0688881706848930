import type { Readable, Writable } from 'node:stream';
import { PodwrightError } from '@podwright/core';
import type { Channel, Message } from './channel.js';
import { deliver, readableEnd, writableOver } from './pipes.js';

/** The standard streams of a process of the far side, and what is said at their end. */
export class RemoteStreams {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  /** The exit code, or undefined when this side has left. */
  readonly exit: Promise<number | undefined>;

  constructor(
    private readonly channel: Channel,
    has: { readonly stdin: boolean; readonly stderr: boolean },
  ) {
    const sinks = has.stderr ? { 1: readableEnd(), 2: readableEnd() } : { 1: readableEnd() };
    this.stdout = sinks[1];
    if (sinks[2]) this.stderr = sinks[2];
    if (has.stdin) this.stdin = writableOver(channel, 0);
    this.exit = this.#follow(sinks);
    // Nobody has to ask for it.
    this.exit.catch(() => undefined);
  }

  /** What has ended by now needs to be told nothing; whether it has, `exit` says. */
  async tell(message: Message): Promise<void> {
    await this.channel.send(message).catch(() => undefined);
  }

  async #follow(sinks: Parameters<typeof deliver>[1]): Promise<number | undefined> {
    for await (const message of this.channel.messages) {
      if (message.type === 'exit') {
        this.channel.close();
        return message.code;
      }
      await deliver(message, sinks);
    }
    this.channel.close();
    const lost = new PodwrightError('unavailable', 'The far side went away while its streams were in use.');
    for (const sink of Object.values(sinks)) sink.destroy(lost);
    throw lost;
  }
}
