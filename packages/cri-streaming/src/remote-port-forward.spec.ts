import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Duplex, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { connectPortForward, remotePortForward } from './client/remote-port-forward.js';
import { Deferred } from './deferred.js';
import { serveConnection } from './serve-session.js';
import { switchToSpdy } from './server/handshake.js';
import { SpdyConnection } from './spdy/spdy-connection.js';
import type { SpdyStream } from './spdy/spdy-stream.js';
import { hush } from './stream-ends.js';
import { disposeServers, pattern, startServer } from './streaming.spec-helper.js';
import type { PortForwardStreamRequest } from './streaming-server.js';

/** A server in a pod: it answers with all it got once that has ended. */
let pod: Server;
let podPort: number;
let podSockets: Socket[];

beforeEach(async () => {
  podSockets = [];
  pod = createServer({ allowHalfOpen: true }, (socket) => {
    podSockets.push(hush(socket));
    buffer(socket).then(
      (got) => socket.end(got),
      () => socket.destroy(),
    );
  });
  pod.listen(0, '127.0.0.1');
  await once(pod, 'listening');
  const address = pod.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  podPort = address.port;
});

afterEach(() => {
  for (const socket of podSockets) socket.destroy();
  pod.close();
});

const toPod: PortForwardStreamRequest = {
  run: async (port, stream, signal) => {
    const connection = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await serveConnection(connection, stream, signal);
  },
};

async function buffer(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await finished(stream, { writable: false });
  return Buffer.concat(chunks);
}

async function talk(stream: Duplex, question: Buffer): Promise<Buffer> {
  stream.end(question);
  return await buffer(stream);
}

afterEach(disposeServers);

describe('port-forward over SPDY, our client with our server', () => {
  it('passes a half-close on, and the answer back', async () => {
    const server = await startServer();
    const stream = await remotePortForward(server.portForward(toPod), podPort);
    const question = pattern(3_000_000);
    expect((await talk(stream, question)).equals(question)).toBe(true);
  });

  it('passes the half-close of the pod’s side on, and goes on sending', async () => {
    const server = await startServer();
    const rest = new Deferred<Buffer>();
    const url = server.portForward({
      run: async (_port, stream) => {
        stream.end('that is all');
        rest.resolve(await buffer(stream));
      },
    });
    const stream = await remotePortForward(url, 80);
    expect(String(await buffer(stream))).toBe('that is all');
    stream.end('one more thing');
    expect(String(await rest.promise)).toBe('one more thing');
  });

  it('carries 100 connections at once over one', async () => {
    const server = await startServer();
    const forward = await connectPortForward(server.portForward(toPod));
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const stream = await forward.open(podPort);
        return await talk(stream, Buffer.alloc(50_000 + index, index));
      }),
    );
    for (const [index, answer] of answers.entries()) {
      expect(answer.equals(Buffer.alloc(50_000 + index, index))).toBe(true);
    }
    expect(podSockets).toHaveLength(100);
    await forward.close();
  });

  it('carries more connections one after the other than it may at once', async () => {
    const server = await startServer();
    const forward = await connectPortForward(
      server.portForward({
        run: async (_port, stream) => {
          stream.end(await buffer(stream));
        },
      }),
    );
    for (let count = 0; count < 2100; count += 1) {
      expect(String(await talk(await forward.open(80), Buffer.from(String(count))))).toBe(String(count));
    }
    await forward.close();
  }, 120_000);

  it('goes on with the others while one is not read', async () => {
    const server = await startServer();
    const url = server.portForward({
      run: async (port, stream, signal) => {
        if (port !== 1) return await toPod.run(port, stream, signal);
        stream.write(Buffer.alloc(8 * 1024 * 1024));
        await once(signal, 'abort');
      },
    });
    const forward = await connectPortForward(url);
    const stuck = await forward.open(1);
    const stream = await forward.open(podPort);
    expect(String(await talk(stream, Buffer.from('through')))).toBe('through');
    stuck.destroy();
    await forward.close();
  });

  it('fails in words when nobody listens, and the next connection works', async () => {
    const server = await startServer();
    const forward = await connectPortForward(server.portForward(toPod));
    const none = createServer().listen(0, '127.0.0.1');
    await once(none, 'listening');
    const address = none.address();
    const closedPort = typeof address === 'object' ? (address?.port ?? 0) : 0;
    none.close();
    await once(none, 'close');
    const stream = await forward.open(closedPort);
    await expect(buffer(stream)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(String(await talk(await forward.open(podPort), Buffer.from('next')))).toBe('next');
    await forward.close();
  });

  it('is no failure when a pod that has said all takes no more', async () => {
    const server = await startServer();
    const outcome = new Deferred<string>();
    const url = server.portForward({
      run: async (_port, stream, signal) => {
        const written = new Duplex({
          allowHalfOpen: true,
          read() {
            this.push(null);
          },
          write(_chunk, _encoding, callback) {
            callback(new Error('EPIPE'));
          },
        });
        await serveConnection(written, stream, signal).then(
          () => outcome.resolve('fine'),
          (error: unknown) => outcome.resolve(String(error)),
        );
      },
    });
    const stream = await remotePortForward(url, 80);
    expect(String(await buffer(stream))).toBe('');
    hush(stream).write('too late');
    expect(await outcome.promise).toBe('fine');
  });

  it.each([
    { what: 'says so after the end of the data, as containerd', words: 'connection refused', ends: true },
    { what: 'says nothing', words: '', ends: true },
    { what: 'leaves it open', words: undefined, ends: false },
  ])('a server that gives nothing and $what', async ({ words, ends }) => {
    const streams = new Map<string, SpdyStream>();
    const serving = createHttpServer();
    serving.on('upgrade', (_request: IncomingMessage, socket: Socket, head: Buffer) => {
      switchToSpdy(socket, head, 'portforward.k8s.io');
      const connection = new SpdyConnection(socket, {
        role: 'server',
        accept: () => true,
        onStream: (stream) => {
          hush(stream).resume();
          streams.set(stream.headers['streamtype'] ?? '', stream);
          const error = streams.get('error');
          const data = streams.get('data');
          data?.end();
          data?.once('finish', () => {
            if (ends) setTimeout(() => error?.end(words), 20);
          });
        },
      });
      connection.start();
    });
    serving.listen(0, '127.0.0.1');
    await once(serving, 'listening');
    onTestFinished(() => {
      serving.close();
      serving.closeAllConnections();
    });
    const address = serving.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const reading = buffer(await remotePortForward(`http://127.0.0.1:${port}/`, 80));
    if (words === 'connection refused') {
      await expect(reading).rejects.toMatchObject({
        kind: 'unreachable',
        message: expect.stringContaining(words),
      });
    } else expect(String(await reading)).toBe('');
  });

  it('drops the connection to the pod when its client drops its own', async () => {
    const server = await startServer();
    const forward = await connectPortForward(server.portForward(toPod));
    const stream = await forward.open(podPort);
    const connected = podSockets.length > 0 ? Promise.resolve() : once(pod, 'connection');
    stream.write('x');
    await connected;
    const gone = new Promise((resolve) => podSockets[0]?.once('close', resolve));
    stream.destroy();
    await gone;
    await forward.close();
  });

  it('drops all connections to the pod when the client disappears', async () => {
    const server = await startServer();
    const forward = await connectPortForward(server.portForward(toPod));
    const streams = await Promise.all([forward.open(podPort), forward.open(podPort)]);
    for (const stream of streams) hush(stream).write('x');
    while (podSockets.length < 2) await once(pod, 'connection');
    const gone = Promise.all(
      podSockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
    await forward.close();
    await gone;
  });

  it('refuses ports that are none', async () => {
    const server = await startServer();
    const forward = await connectPortForward(server.portForward(toPod));
    for (const port of [0, 65536, -1, 1.5]) {
      await expect(forward.open(port)).rejects.toMatchObject({ kind: 'invalid-argument' });
    }
    await forward.close();
  });

  it('opening is cancelled by the caller', async () => {
    const server = await startServer();
    await expect(
      remotePortForward(server.portForward(toPod), podPort, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ kind: 'cancelled' });
    const controller = new AbortController();
    const stream = await remotePortForward(server.portForward(toPod), podPort, { signal: controller.signal });
    controller.abort();
    expect(String(await talk(stream, Buffer.from('still there')))).toBe('still there');
  });
});
