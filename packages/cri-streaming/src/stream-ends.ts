import { finished, type Readable, type Writable } from 'node:stream';

/** Whoever listens elsewhere hears of the errors of this stream; here they must not end the process. */
export function hush<Stream extends Readable | Writable>(stream: Stream): Stream {
  stream.on('error', () => undefined);
  return stream;
}

/** Ends a stream and resolves when all of it has gone out, or can no longer. */
export async function endAndFlush(stream: Writable, last?: string): Promise<void> {
  if (!stream.writableEnded && !stream.destroyed) stream.end(last);
  await writableDone(stream);
}

/** Resolves when nothing more goes into the stream, well or not. */
export async function writableDone(stream: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    finished(stream, { readable: false }, () => resolve());
  });
}

/** Resolves when nothing more comes out of the stream, well or not. */
export async function readableDone(stream: Readable): Promise<void> {
  await new Promise<void>((resolve) => {
    finished(stream, { writable: false }, () => resolve());
  });
}
