import type { Readable, Writable } from 'node:stream';
import { PodwrightError, type TerminalSize } from '@podwright/core';
import { type Channel, fromWire, type Message } from './channel.js';
import { deliver, readableEnd, writableOver } from './pipes.js';

/** The standard streams of a process of the far side, and what is said at their end. */
export class RemoteStreams {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  /** The exit code, or undefined when this side has left. */
  readonly exit: Promise<number | undefined>;

  /** Whoever waits for the answer to a `resize`, in their order. */
  readonly #resizing: ((message: Message & { readonly type: 'resized' }) => void)[] = [];

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

  /** @throws what the far side says of this size */
  async resize(size: TerminalSize): Promise<void> {
    const answered = new Promise<Message & { readonly type: 'resized' }>((resolve) => {
      this.#resizing.push(resolve);
    });
    await this.tell({ type: 'resize', size });
    // Nobody minds the size of a terminal whose command has ended.
    const { error } = await Promise.race([answered, this.exit.then(() => ({ error: undefined }))]);
    if (error) throw fromWire(error);
  }

  async #follow(sinks: Parameters<typeof deliver>[1]): Promise<number | undefined> {
    for await (const message of this.channel.messages) {
      if (message.type === 'exit') {
        this.channel.close();
        return message.code;
      }
      if (message.type === 'resized') this.#resizing.shift()?.(message);
      else await deliver(message, sinks);
    }
    this.channel.close();
    const lost = new PodwrightError('unavailable', 'The far side went away while its streams were in use.');
    for (const sink of Object.values(sinks)) sink.destroy(lost);
    throw lost;
  }
}
