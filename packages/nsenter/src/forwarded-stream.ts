import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { messageOf, PodwrightError } from '@podwright/core';

/** A connection into a pod: a socket whose failures are told in the library's terms, half-open until both sides ended. */
export class ForwardedStream extends Duplex {
  constructor(private readonly socket: Socket) {
    super({ allowHalfOpen: true });
    // As documented for Duplex: it counts until 'end' is emitted, and a socket that was handed over has it off.
    socket.allowHalfOpen = true;
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.once('end', () => this.push(null));
    socket.once('error', (error) => this.destroy(cut(error)));
    socket.pause();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, encoding, (error) => done(error ? cut(error) : null));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }
}

function cut(cause: Error): PodwrightError {
  const why =
    'code' in cause && cause.code === 'ECONNRESET' ? 'connection reset by the other side' : messageOf(cause);
  return new PodwrightError('unreachable', `The forwarded connection was cut: ${why}.`, { cause });
}
