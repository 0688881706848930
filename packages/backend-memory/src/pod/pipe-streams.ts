import { Readable, Writable } from 'node:stream';
import type { BytePipe } from '../machine/byte-pipe.js';

/** A pipe as a stream; `given` resolves when all its bytes are in the stream's own buffer or read. */
export function readableFrom(pipe: BytePipe): { stream: Readable; given: Promise<void> } {
  let goOn: () => void = () => undefined;
  const stream = new Readable({
    read: () => goOn(),
    destroy(error, done) {
      pipe.closeReader();
      goOn();
      done(error);
    },
  });
  const pump = async () => {
    for (;;) {
      const data = await pipe.read();
      if (!data || stream.destroyed) break;
      const room = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      if (!stream.push(data)) await room;
    }
    if (!stream.destroyed) stream.push(null);
  };
  return { stream, given: pump() };
}

/** What is written to it goes into a pipe. @param onEnd what its end does */
export function writableTo(pipe: BytePipe, onEnd: () => void): Writable {
  return new Writable({
    write(data: Buffer, _encoding, done) {
      // The command may have ended without reading it all; that is no failure of its caller.
      pipe.write(Buffer.from(data)).then(
        () => done(),
        () => done(),
      );
    },
    final(done) {
      onEnd();
      done();
    },
    destroy(error, done) {
      onEnd();
      done(error);
    },
  });
}
