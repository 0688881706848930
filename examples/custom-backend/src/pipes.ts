import { PassThrough, type Readable, Writable } from 'node:stream';
import { type Channel, fromWire, type Message, type Pipe, toWire } from './channel.js';

/** Sends all that a stream gives, as fast as the other side takes it. */
export async function pump(source: Readable | undefined, channel: Channel, pipe: Pipe): Promise<void> {
  if (!source) return;
  try {
    // Its other direction may go on after its end.
    for await (const bytes of source.iterator({ destroyOnReturn: false }))
      await channel.send({ type: 'data', pipe, bytes: Buffer.from(bytes) });
    await channel.send({ type: 'eof', pipe });
  } catch (error) {
    // When it is the connection that broke, there is nobody to tell it.
    await channel.send({ type: 'broken', pipe, error: toWire(error) }).catch(() => undefined);
  }
}

/** Gives a message about a pipe to the stream at its end. */
export async function deliver(
  message: Message,
  sinks: Readonly<Partial<Record<Pipe, Writable>>>,
): Promise<void> {
  if (message.type === 'data') await written(sinks[message.pipe], message.bytes);
  else if (message.type === 'eof') sinks[message.pipe]?.end();
  else if (message.type === 'broken') sinks[message.pipe]?.destroy(fromWire(message.error));
}

function written(sink: Writable | undefined, bytes: Buffer): Promise<void> {
  // A sink that is gone takes no more: the callback comes then too.
  return new Promise((resolve) => (sink ? sink.write(bytes, () => resolve()) : resolve()));
}

/** The near end of a pipe that leads to the other side; ending it is end of file there. */
export function writableOver(channel: Channel, pipe: Pipe): Writable {
  return new Writable({
    write: (bytes: Buffer, _encoding, done) =>
      void channel.send({ type: 'data', pipe, bytes }).then(() => done(), done),
    final: (done) => void channel.send({ type: 'eof', pipe }).then(() => done(), done),
  });
}

/** The near end of a pipe that comes from the other side. */
export function readableEnd(): PassThrough {
  return new PassThrough();
}
