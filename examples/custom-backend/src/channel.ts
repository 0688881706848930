import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';
import { PodwrightError, type TerminalSize } from '@podwright/core';

/** Streams of bytes beside a call, numbered as a process has them: input, output, errors. */
export type Pipe = 0 | 1 | 2;

/** An error on its way; `kind` is there when it is a PodwrightError. */
export interface WireError {
  readonly kind?: PodwrightError['kind'];
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Everything that is said. A connection carries one call: `call` first, then what belongs to it. */
export type Message =
  | {
      readonly type: 'call';
      readonly service: string;
      readonly method: string;
      readonly args: readonly unknown[];
      /** Which argument takes an AbortSignal. */
      readonly signalAt?: number;
    }
  | { readonly type: 'abort' }
  | { readonly type: 'result'; readonly value: unknown }
  | { readonly type: 'item'; readonly value: unknown }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: WireError }
  | { readonly type: 'data'; readonly pipe: Pipe; readonly bytes: Buffer }
  | { readonly type: 'eof'; readonly pipe: Pipe }
  | { readonly type: 'broken'; readonly pipe: Pipe; readonly error: WireError }
  | { readonly type: 'resize'; readonly size: TerminalSize }
  /** The answer to `resize`; with what was wrong. */
  | { readonly type: 'resized'; readonly error?: WireError }
  | { readonly type: 'kill' }
  /** Without a code when the caller has left, and the process runs on. */
  | { readonly type: 'exit'; readonly code?: number };

const LENGTH_BYTES = 4;

/** Messages over a connection, each behind its length. Both sides trust each other: they are one program's two halves. */
export class Channel {
  /** Ends when the other side has ended or is gone; the connection stays until it is closed. */
  readonly messages: AsyncGenerator<Message, undefined>;

  constructor(private readonly socket: Socket) {
    // A connection that breaks is told by `messages` and `send`; without a listener it would end the process.
    socket.on('error', () => undefined);
    this.messages = readMessages(socket);
  }

  /**
   * Resolves when the connection has taken it, so that whoever waits for it goes no faster than the reader.
   * @throws PodwrightError kind `unavailable` when the other side is gone
   */
  send(message: Message): Promise<void> {
    const body = serialize(message);
    const head = Buffer.alloc(LENGTH_BYTES);
    head.writeUInt32BE(body.length);
    return new Promise((resolve, reject) => {
      this.socket.write(Buffer.concat([head, body]), (error) => (error ? reject(gone(error)) : resolve()));
    });
  }

  /** Ends after what was sent. */
  end(): void {
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
  }

  onClose(listener: () => void): void {
    this.socket.once('close', listener);
  }
}

function gone(cause: Error): PodwrightError {
  return new PodwrightError('unavailable', `The other side went away: ${cause.message}.`, { cause });
}

async function* readMessages(socket: Socket): AsyncGenerator<Message, undefined> {
  let pending = Buffer.alloc(0);
  try {
    // The end of what comes is not the end of what goes.
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      pending = Buffer.concat([pending, chunk]);
      for (let size = sizeOf(pending); size <= pending.length; size = sizeOf(pending)) {
        yield deserialize(pending.subarray(LENGTH_BYTES, size));
        pending = pending.subarray(size);
      }
    }
  } catch {
    // A connection that breaks ends as one that is closed: what was in the middle of a call says so.
  }
  return undefined;
}

/** Bytes of the first message with its length, more than there are while the length is not known. */
function sizeOf(pending: Buffer): number {
  return LENGTH_BYTES + (pending.length < LENGTH_BYTES ? 0 : pending.readUInt32BE(0));
}

export function toWire(error: unknown): WireError {
  if (PodwrightError.is(error)) return { kind: error.kind, message: error.message, details: error.details };
  return { message: error instanceof Error ? error.message : String(error) };
}

export function fromWire({ kind, message, details = {} }: WireError): Error {
  return kind === undefined ? new Error(message) : new PodwrightError(kind, message, { details });
}
