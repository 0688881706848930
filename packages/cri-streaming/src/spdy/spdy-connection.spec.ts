import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, createDeflate, createInflate } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { Deferred } from '../deferred.js';
import { hush } from '../stream-ends.js';
import { SPDY_DICTIONARY } from './dictionary.js';
import { encodeFrame } from './frame-encoder.js';
import { FrameParser } from './frame-parser.js';
import { type Frame, ResetStatus, SettingId } from './frames.js';
import { HeaderDecoder, HeaderEncoder } from './header-codec.js';
import { SpdyConnection, type SpdyConnectionOptions } from './spdy-connection.js';
import type { SpdyStream } from './spdy-stream.js';

let open: { destroy(): void }[] = [];
let server: Server | undefined;

afterEach(() => {
  for (const each of open) each.destroy();
  open = [];
  server?.close();
});

/** Two ends of a TCP connection, half-open ones as Node's HTTP server gives them. */
async function sockets(): Promise<[Socket, Socket]> {
  const listening = createServer({ allowHalfOpen: true });
  server = listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  const ours = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  const [theirs] = (await once(listening, 'connection')) as [Socket];
  open.push(ours, theirs);
  return [ours, theirs];
}

interface Pair {
  client: SpdyConnection;
  server: SpdyConnection;
  /** The next stream that the server has taken. */
  taken: () => Promise<SpdyStream>;
}

async function pair(options: Partial<SpdyConnectionOptions> = {}): Promise<Pair> {
  const [ours, theirs] = await sockets();
  const streams: SpdyStream[] = [];
  let arrived = new Deferred<void>();
  const serving = new SpdyConnection(theirs, {
    role: 'server',
    accept: ({ refuse }) => refuse === undefined,
    onStream: (stream) => {
      hush(stream);
      streams.push(stream);
      arrived.resolve();
    },
    ...options,
  });
  const client = new SpdyConnection(ours, { role: 'client' });
  serving.start();
  client.start();
  const taken = async () => {
    while (streams.length === 0) {
      await arrived.promise;
      arrived = new Deferred();
    }
    const stream = streams.shift();
    if (stream === undefined) throw new Error('no stream');
    return stream;
  };
  return { client, server: serving, taken };
}

/** A peer made by hand: it knows frames, and does nothing by itself. */
async function handMade(options: Partial<SpdyConnectionOptions> = {}) {
  const [ours, theirs] = await sockets();
  const streams: SpdyStream[] = [];
  const connection = new SpdyConnection(theirs, {
    role: 'server',
    accept: () => true,
    onStream: (stream) => {
      hush(stream);
      streams.push(stream);
    },
    ...options,
  });
  connection.start();
  const encoder = new HeaderEncoder();
  const parser = new FrameParser(new HeaderDecoder());
  const frames: Frame[] = [];
  const waiting: { of: (frame: Frame) => boolean; found: (frame: Frame) => void }[] = [];
  ours.on('data', (chunk) => {
    for (const frame of parser.push(chunk)) {
      frames.push(frame);
      for (const each of [...waiting]) {
        if (!each.of(frame)) continue;
        waiting.splice(waiting.indexOf(each), 1);
        each.found(frame);
      }
    }
  });
  return {
    connection,
    socket: ours,
    streams,
    frames,
    send: (...sent: Frame[]) => {
      for (const frame of sent) ours.write(encodeFrame(frame, encoder));
    },
    /** Resolves to the first frame of a kind, seen already or to come. */
    frame: (of: (frame: Frame) => boolean): Promise<Frame> => {
      const seen = frames.find(of);
      if (seen !== undefined) return Promise.resolve(seen);
      return new Promise((found) => waiting.push({ of, found }));
    },
  };
}

const syn = (streamId: number, fin = false): Frame => ({
  type: 'syn-stream',
  streamId,
  associatedTo: 0,
  priority: 0,
  fin,
  unidirectional: false,
  headers: { streamtype: 'data' },
});
const dataBytes = (frames: readonly Frame[], streamId: number) =>
  frames.reduce(
    (sum, frame) => sum + (frame.type === 'data' && frame.streamId === streamId ? frame.data.length : 0),
    0,
  );

/** All of a stream. Unlike a loop over it, it leaves the other direction alone. */
async function buffer(stream: Readable | undefined): Promise<Buffer> {
  if (stream === undefined) throw new Error('no stream');
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await finished(stream, { writable: false });
  return Buffer.concat(chunks);
}

async function text(stream: Readable | undefined): Promise<string> {
  return (await buffer(stream)).toString();
}

describe('two ends of ours', () => {
  it('half-close in each direction, one after the other', async () => {
    const { client, taken } = await pair();
    const stream = await client.openStream({ name: 'one' });
    const other = await taken();
    expect(other.headers).toEqual({ name: 'one' });
    stream.end('question');
    expect(await text(other)).toBe('question');
    other.end('answer');
    expect(await text(stream)).toBe('answer');
  });

  it('give the ids of their side', async () => {
    const { client, server: serving } = await pair();
    expect([(await client.openStream({})).id, (await client.openStream({})).id]).toEqual([1, 3]);
    await expect(serving.openStream({})).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('refuse a stream that is not wanted', async () => {
    const { client } = await pair();
    await expect(client.openStream({ refuse: 'yes' })).rejects.toMatchObject({
      kind: 'unavailable',
      details: { status: ResetStatus.refusedStream },
    });
    expect((await client.openStream({})).id).toBe(3);
  });

  it('carry each of 50 streams in full when all are busy', async () => {
    const { client, taken } = await pair();
    const sent = Array.from({ length: 50 }, (_, index) => Buffer.alloc(300_000, index));
    const received = await Promise.all(
      sent.map(async (bytes) => {
        const stream = await client.openStream({});
        const other = await taken();
        other.pipe(other);
        stream.end(bytes);
        return await buffer(stream);
      }),
    );
    for (const [index, bytes] of sent.entries()) expect(received[index]?.equals(bytes)).toBe(true);
  });

  it('let other streams pass one that nobody reads', async () => {
    const { client, taken } = await pair();
    const stuck = await client.openStream({});
    await taken();
    stuck.write(Buffer.alloc(4 * 1024 * 1024));
    const stream = await client.openStream({});
    (await taken()).end('through');
    expect(await text(stream)).toBe('through');
    expect(stuck.writableLength).toBeGreaterThan(0);
  });

  it('give what came before a reset, and no error for a cancelled one', async () => {
    const { client, taken } = await pair();
    const stream = await client.openStream({});
    const other = await taken();
    other.write('last words', () => other.destroy());
    expect(await text(stream)).toBe('last words');
    expect(stream.resetStatus).toBe(ResetStatus.cancel);
    if (!stream.closed) await once(stream, 'close');
  });

  it('tell a reset for another reason, after the data', async () => {
    const { client, taken } = await pair();
    const stream = await client.openStream({});
    const other = await taken();
    other.on('error', () => undefined);
    other.write('last words', () => other.destroy(new Error('broken')));
    const words: string[] = [];
    const reading = (async () => {
      for await (const chunk of stream) words.push(String(chunk));
    })();
    await expect(reading).rejects.toMatchObject({ details: { status: ResetStatus.internalError } });
    expect(words.join('')).toBe('last words');
  });

  it('tell a lost connection, after the data', async () => {
    const { client, server: serving, taken } = await pair();
    const stream = await client.openStream({});
    const other = await taken();
    await new Promise<void>((resolve) => {
      other.write('last words', () => resolve());
    });
    serving.close();
    const words: string[] = [];
    const reading = (async () => {
      for await (const chunk of stream) {
        words.push(String(chunk));
        serving.destroy();
      }
    })();
    await expect(reading).rejects.toMatchObject({ kind: 'unavailable' });
    expect(words.join('')).toBe('last words');
    await expect(client.openStream({})).rejects.toMatchObject({ kind: 'closed' });
    await client.closed;
    await serving.closed;
  });

  it('drop what is written after a reset', async () => {
    const { client, taken } = await pair();
    const stream = await client.openStream({});
    (await taken()).destroy();
    await once(stream, 'cut');
    await new Promise<void>((resolve) => {
      stream.write(Buffer.alloc(1024 * 1024), () => resolve());
    });
  });

  it('end the connection after close() when the last stream is over', async () => {
    const { client, server: serving, taken } = await pair();
    const stream = await client.openStream({});
    const other = await taken();
    client.close();
    await expect(client.openStream({})).rejects.toMatchObject({ kind: 'closed' });
    stream.end('still');
    expect(await text(other)).toBe('still');
    other.end();
    stream.resume();
    await client.closed;
    await serving.closed;
  });

  it('drop a connection on which nothing moves', async () => {
    // Long enough for the stream to be opened before.
    const { client, server: serving, taken } = await pair({ idleTimeoutMs: 500 });
    const stream = await client.openStream({});
    const other = await taken();
    await expect(text(other)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(text(stream)).rejects.toMatchObject({ kind: 'unavailable' });
    await serving.closed;
  });

  it('opening is cancelled by the caller', async () => {
    const { socket, connection } = await handMade({ role: 'client' });
    socket.resume();
    const controller = new AbortController();
    const opening = connection.openStream({}, { signal: controller.signal });
    controller.abort();
    await expect(opening).rejects.toMatchObject({ kind: 'cancelled' });
  });
});

describe('a peer made by hand', () => {
  it('gets the window told, and its pings answered', async () => {
    const { frame, send } = await handMade();
    expect(await frame(({ type }) => type === 'settings')).toMatchObject({
      settings: [
        { id: SettingId.initialWindowSize, value: 256 * 1024 },
        { id: SettingId.maxConcurrentStreams, value: 4096 },
      ],
    });
    send({ type: 'ping', id: 7 });
    expect(await frame(({ type }) => type === 'ping')).toEqual({ type: 'ping', id: 7 });
  });

  it('with no flow control gets all at once, and may send beyond the window', async () => {
    const { frame, frames, send, streams } = await handMade();
    send(syn(1));
    await frame(({ type }) => type === 'syn-reply');
    const [stream] = streams;
    stream?.end(Buffer.alloc(1024 * 1024));
    await frame((each) => each.type === 'data' && each.fin);
    expect(dataBytes(frames, 1)).toBe(1024 * 1024);
    send({ type: 'data', streamId: 1, fin: true, data: Buffer.alloc(3 * 1024 * 1024) });
    expect((await buffer(stream)).length).toBe(3 * 1024 * 1024);
  });

  it('is held to by its window, and gets more when it opens it', async () => {
    const { frame, frames, send, streams } = await handMade();
    send({
      type: 'settings',
      clear: false,
      settings: [{ id: SettingId.initialWindowSize, flags: 0, value: 1000 }],
    });
    send(syn(1));
    await frame(({ type }) => type === 'syn-reply');
    streams[0]?.end(Buffer.alloc(2500));
    await frame(({ type }) => type === 'data');
    send({ type: 'ping', id: 1 });
    await frame(({ type }) => type === 'ping');
    expect(dataBytes(frames, 1)).toBe(1000);
    send({ type: 'window-update', streamId: 1, delta: 1000 });
    await frame((each) => each.type === 'data' && dataBytes(frames, 1) === 2000);
    send({
      type: 'settings',
      clear: false,
      settings: [{ id: SettingId.initialWindowSize, flags: 0, value: 9000 }],
    });
    await frame((each) => each.type === 'data' && each.fin);
    expect(dataBytes(frames, 1)).toBe(2500);
  });

  it('gets the window opened as its data is read, and not before', async () => {
    const { frame, frames, send, streams } = await handMade();
    send(
      syn(1),
      { type: 'data', streamId: 1, fin: false, data: Buffer.alloc(200 * 1024) },
      { type: 'ping', id: 1 },
    );
    await frame(({ type }) => type === 'ping');
    expect(frames.some(({ type }) => type === 'window-update')).toBe(false);
    streams[0]?.resume();
    expect(await frame(({ type }) => type === 'window-update')).toMatchObject({ streamId: 1 });
  });

  it('is reset when it opens the window beyond all bounds', async () => {
    const { frame, send } = await handMade();
    send(syn(1), { type: 'window-update', streamId: 1, delta: 0x7fffffff });
    expect(await frame(({ type }) => type === 'rst-stream')).toMatchObject({
      status: ResetStatus.flowControlError,
    });
  });

  it('is held up when it floods a stream, and goes on when that is read or dropped', async () => {
    for (const go of [(stream: SpdyStream) => stream.resume(), (stream: SpdyStream) => stream.destroy()]) {
      const { frame, send, streams } = await handMade();
      send(syn(1));
      await frame(({ type }) => type === 'syn-reply');
      send({ type: 'data', streamId: 1, fin: false, data: Buffer.alloc(8 * 1024 * 1024) });
      send({ type: 'ping', id: 1 });
      const answered = frame(({ type }) => type === 'ping').then(() => 'answered');
      const waited = new Promise((resolve) => setTimeout(resolve, 100, 'waited'));
      expect(await Promise.race([answered, waited])).toBe('waited');
      const [stream] = streams;
      if (stream === undefined) throw new Error('no stream');
      go(stream);
      expect(await answered).toBe('answered');
    }
  });

  it('that disappears while it is held up is noticed', async () => {
    const { connection, frame, send, socket } = await handMade({ probeIntervalMs: 20 });
    send(syn(1));
    await frame(({ type }) => type === 'syn-reply');
    send({ type: 'data', streamId: 1, fin: false, data: Buffer.alloc(2 * 1024 * 1024) });
    await frame(({ type }) => type === 'ping');
    socket.resetAndDestroy();
    await connection.closed;
  });

  it('is not pinged by a client: what a server has not read when it closes costs what it has sent', async () => {
    const { frame, frames, send, socket, streams } = await handMade({ role: 'client', probeIntervalMs: 5 });
    send(syn(2));
    await frame(({ type }) => type === 'syn-reply');
    send({ type: 'data', streamId: 2, fin: true, data: Buffer.alloc(2 * 1024 * 1024) });
    await sleep(50);
    socket.end();
    expect(await buffer(streams[0])).toHaveLength(2 * 1024 * 1024);
    expect(frames.map(({ type }) => type)).not.toContain('ping');
  });

  it.each([
    { what: 'an id of ours', sent: [syn(2)], status: ResetStatus.protocolError },
    { what: 'an id again', sent: [syn(3), syn(3)], status: ResetStatus.protocolError },
    { what: 'a lower id', sent: [syn(3), syn(1)], status: ResetStatus.protocolError },
    {
      what: 'data on a stream that was never there',
      sent: [{ type: 'data', streamId: 9, fin: false, data: Buffer.from('x') } satisfies Frame],
      status: ResetStatus.invalidStream,
    },
  ])('is told with a reset of $what', async ({ sent, status }) => {
    const { frame, send } = await handMade();
    send(...sent);
    expect(await frame(({ type }) => type === 'rst-stream')).toMatchObject({ status });
  });

  it('may send on a stream that was just reset', async () => {
    const { frame, frames, send, streams } = await handMade();
    send(syn(1));
    await frame(({ type }) => type === 'syn-reply');
    streams[0]?.destroy();
    await frame(({ type }) => type === 'rst-stream');
    send({ type: 'data', streamId: 1, fin: true, data: Buffer.from('late') }, { type: 'ping', id: 1 });
    await frame(({ type }) => type === 'ping');
    expect(frames.filter(({ type }) => type === 'rst-stream')).toHaveLength(1);
  });

  it('is told with GOAWAY when it speaks another version', async () => {
    const { connection, frame, socket } = await handMade();
    socket.write(Buffer.from('8002000600000004', 'hex'));
    expect(await frame(({ type }) => type === 'goaway')).toMatchObject({ status: 1 });
    await once(socket, 'end');
    socket.end();
    await connection.closed;
  });

  it('that ends its half of a stream at once is answered on the other', async () => {
    const { frame, send, streams } = await handMade();
    send(syn(1, true));
    await frame(({ type }) => type === 'syn-reply');
    expect(await text(streams[0])).toBe('');
    streams[0]?.end('answer');
    expect(await frame(({ type }) => type === 'data')).toMatchObject({ data: Buffer.from('answer') });
  });

  it('that packs its headers as one zlib stream, and unpacks ours so, is understood', async () => {
    const [ours, theirs] = await sockets();
    const streams: SpdyStream[] = [];
    const connection = new SpdyConnection(theirs, {
      role: 'server',
      accept: () => true,
      onStream: (stream) => streams.push(stream),
    });
    connection.start();
    const deflate = createDeflate({ dictionary: SPDY_DICTIONARY, level: 9 });
    const inflate = createInflate({ dictionary: SPDY_DICTIONARY });
    for (const streamId of [1, 3, 5]) {
      const name = Buffer.from('port');
      const value = Buffer.from(String(8000 + streamId));
      const plain = Buffer.concat([word(1), word(name.length), name, word(value.length), value]);
      const packed: Buffer[] = [];
      deflate.on('data', (chunk: Buffer) => packed.push(chunk));
      deflate.write(plain);
      await new Promise<void>((resolve) => {
        deflate.flush(constants.Z_SYNC_FLUSH, resolve);
      });
      deflate.removeAllListeners('data');
      const body = Buffer.concat([word(streamId), word(0), Buffer.from([0, 0]), ...packed]);
      ours.write(Buffer.concat([word(0x80030001), word(body.length), body]));
    }
    let received = Buffer.alloc(0);
    // SETTINGS of 28 bytes, and three replies.
    const replies: Buffer[] = [];
    for await (const chunk of ours) {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 8 && received.length >= 8 + received.readUIntBE(5, 3)) {
        const end = 8 + received.readUIntBE(5, 3);
        if (received.readUInt16BE(2) === 2) replies.push(received.subarray(12, end));
        received = received.subarray(end);
      }
      if (replies.length === 3) break;
    }
    const unpacked: Buffer[] = [];
    inflate.on('data', (chunk: Buffer) => unpacked.push(chunk));
    for (const reply of replies) {
      await new Promise<void>((resolve) => {
        inflate.write(reply, () => resolve());
      });
    }
    expect(Buffer.concat(unpacked)).toEqual(Buffer.alloc(12));
    expect(streams.map(({ headers }) => headers)).toEqual([
      { port: '8001' },
      { port: '8003' },
      { port: '8005' },
    ]);
  });
});

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
