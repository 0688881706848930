import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TerminalSize } from '@podwright/core';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { createWebSocketStream, type RawData, WebSocket } from 'ws';
import { encodeStatus } from './command-status.js';
import { Deferred } from './deferred.js';
import { SpdyConnection } from './spdy/spdy-connection.js';
import { hush } from './stream-ends.js';
import { ALL_STREAMS, disposeServers, pattern, startServer, TERMINAL } from './streaming.spec-helper.js';

/** A client that keeps what comes on each channel. */
class ChannelClient {
  readonly channels = new Map<number, Buffer>();
  readonly messages: Buffer[] = [];
  readonly closed: Promise<number>;

  constructor(
    readonly socket: WebSocket,
    private readonly base64 = false,
  ) {
    socket.on('message', (message: RawData) => {
      const bytes = message as Buffer;
      this.messages.push(bytes);
      const [first = 0] = bytes;
      const channel = base64 ? first - 48 : first;
      const data = base64 ? Buffer.from(bytes.subarray(1).toString(), 'base64') : bytes.subarray(1);
      this.channels.set(channel, Buffer.concat([this.channels.get(channel) ?? Buffer.alloc(0), data]));
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', resolve);
    });
  }

  send(channel: number, data: string | Buffer): void {
    if (this.base64) this.socket.send(`${channel}${Buffer.from(data).toString('base64')}`);
    else this.socket.send(Buffer.concat([Buffer.of(channel), Buffer.from(data)]));
  }

  text(channel: number): string {
    return String(this.channels.get(channel) ?? '');
  }
}

async function join(url: string, protocols: string[] = [], base64 = false): Promise<ChannelClient> {
  const socket = new WebSocket(url.replace('http:', 'ws:'), protocols);
  const client = new ChannelClient(socket, base64);
  await once(socket, 'open');
  return client;
}

/** Gives a protocol another name on its way: the client's library takes none with a slash. */
async function renamingProxy(target: string, name: string, realName: string): Promise<number> {
  const proxy = createServer((client) => {
    const upstream = connect({ port: Number(new URL(target).port), host: '127.0.0.1' });
    for (const socket of [client, upstream])
      hush(socket).on('close', () => [client, upstream].map((s) => s.destroy()));
    client.once('data', (head) => {
      upstream.write(head.toString('latin1').replace(`Protocol: ${name}`, `Protocol: ${realName}`), 'latin1');
      client.pipe(upstream);
    });
    upstream.once('data', (head) => {
      client.write(head.toString('latin1').replace(`Protocol: ${realName}`, `Protocol: ${name}`), 'latin1');
      upstream.pipe(client);
    });
  });
  proxy.listen(0, '127.0.0.1');
  onTestFinished(() => void proxy.close());
  await once(proxy, 'listening');
  const address = proxy.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

afterEach(disposeServers);

describe('exec over WebSocket', () => {
  it('version 5: half-close of stdin by the close signal, output, and the Status last', async () => {
    const server = await startServer();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin, stdout, stderr }) => {
        stderr?.write('reading');
        stdout?.write(`got ${await text(stdin as Readable)}`);
        return 7;
      },
    });
    const client = await join(url, ['v5.channel.k8s.io']);
    expect(client.socket.protocol).toBe('v5.channel.k8s.io');
    client.send(0, 'all ');
    client.send(0, 'of it');
    client.socket.send(Buffer.of(255, 0));
    expect(await client.closed).toBe(1000);
    expect(client.messages[0]).toEqual(Buffer.of(1));
    expect(client.text(1)).toBe('got all of it');
    expect(client.text(2)).toBe('reading');
    expect(client.text(3)).toBe(encodeStatus({ type: 'exited', exitCode: 7 }));
    expect(client.messages.at(-1)?.[0]).toBe(3);
  });

  it('version 4 has no half-close; stdin ends with the client', async () => {
    const server = await startServer();
    const got = new Deferred<string>();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin }) => {
        got.resolve(await text(stdin as Readable));
        return 0;
      },
    });
    const client = await join(url, ['v4.channel.k8s.io']);
    client.send(0, 'input');
    client.socket.send(Buffer.of(255, 0));
    client.send(0, ' goes on');
    client.socket.close();
    expect(await got.promise).toBe('input goes on');
  });

  it('version 4 in base64', async () => {
    const server = await startServer();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin, stdout }) => {
        const [chunk] = await once(stdin as Readable, 'data');
        stdout?.write(chunk);
        return 0;
      },
    });
    const client = await join(url, ['v4.base64.channel.k8s.io'], true);
    const bytes = Buffer.from([0, 255, 128, 10]);
    client.send(0, bytes);
    await client.closed;
    expect(client.channels.get(1)).toEqual(bytes);
    expect(JSON.parse(client.text(3))).toMatchObject({ status: 'Success' });
  });

  it('without a protocol an error comes in words', async () => {
    const server = await startServer();
    const client = await join(server.exec({ ...ALL_STREAMS, run: async () => 3 }));
    await client.closed;
    expect(client.text(3)).toBe('command terminated with non-zero exit code: 3');
  });

  it('sizes of the terminal', async () => {
    const server = await startServer();
    const seen = new Deferred<TerminalSize>();
    const url = server.attach({
      ...TERMINAL,
      run: async ({ resize }) => {
        resize.subscribe((size) => seen.resolve(size));
        await seen.promise;
      },
    });
    const client = await join(url, ['v5.channel.k8s.io']);
    client.send(4, '{"Width":100,"Height":50}');
    expect(await seen.promise).toEqual({ columns: 100, rows: 50 });
    await client.closed;
    expect(JSON.parse(client.text(3))).toMatchObject({ status: 'Success' });
  });

  it('10 MB from stdin to stdout', async () => {
    const server = await startServer();
    const sent = pattern(10 * 1024 * 1024);
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin, stdout }) => {
        for await (const chunk of stdin as Readable) {
          if (!stdout?.write(chunk)) await once(stdout as NodeJS.EventEmitter, 'drain');
        }
        return 0;
      },
    });
    const client = await join(url, ['v5.channel.k8s.io']);
    for (let at = 0; at < sent.length; at += 100_000) client.send(0, sent.subarray(at, at + 100_000));
    client.socket.send(Buffer.of(255, 0));
    await client.closed;
    expect(client.channels.get(1)?.equals(sent)).toBe(true);
  });

  it('a client that neither sends nor gets anything is dropped in time, one that gets output is not', async () => {
    const server = await startServer({ idleTimeoutMs: 150 });
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdout, signal }) => {
        for (let count = 0; count < 6; count += 1) {
          stdout?.write('.');
          await sleep(50);
        }
        await once(signal, 'abort');
        return 0;
      },
    });
    const client = await join(url, ['v5.channel.k8s.io']);
    expect(await client.closed).toBe(1006);
    expect(client.text(1)).toBe('......');
  });

  it('a client that disappears fires the signal, also while it is held up', async () => {
    const server = await startServer();
    for (const bytes of [0, 4 * 1024 * 1024]) {
      const started = new Deferred<void>();
      const gone = new Deferred<void>();
      const url = server.exec({
        ...ALL_STREAMS,
        run: async ({ signal }) => {
          started.resolve();
          await once(signal, 'abort');
          gone.resolve();
          return 0;
        },
      });
      const client = await join(url, ['v5.channel.k8s.io']);
      await started.promise;
      if (bytes > 0) client.send(0, Buffer.alloc(bytes));
      await sleep(50);
      client.socket.terminate();
      await gone.promise;
    }
  });
});

describe('port-forward over WebSocket', () => {
  it('the old protocol: two channels a port, each beginning with it', async () => {
    const server = await startServer();
    const url = server.portForward({
      run: async (port, stream) => {
        if (port === 9) throw new Error('connection refused');
        const [chunk] = await once(stream, 'data');
        stream.end(`${port} got ${chunk}`);
      },
    });
    const client = await join(`${url}?port=80&port=9,443`, ['v4.channel.k8s.io']);
    client.send(0, 'one');
    client.send(4, 'three');
    expect(await client.closed).toBe(1000);
    const prefix = (port: number) => Buffer.of(port % 256, port >> 8).toString('latin1');
    const latin1 = (channel: number) => client.channels.get(channel)?.toString('latin1');
    expect([0, 1, 2, 4, 5].map(latin1)).toEqual([
      `${prefix(80)}80 got one`,
      prefix(80),
      prefix(9),
      `${prefix(443)}443 got three`,
      prefix(443),
    ]);
    expect(latin1(3)).toBe(`${prefix(9)}error forwarding port 9: connection refused`);
  });

  it('the tunnel: SPDY in binary messages, many connections at once', async () => {
    const server = await startServer();
    const url = server.portForward({
      run: async (port, stream) => {
        const got = new PassThrough();
        stream.pipe(got);
        stream.end(`${port} got ${(await buffer(got)).length}`);
      },
    });
    const tunnel = 'SPDY/3.1+portforward.k8s.io';
    const port = await renamingProxy(server.baseUrl, 'tunnel', tunnel);
    const socket = new WebSocket(`ws://127.0.0.1:${port}${new URL(url).pathname}`, ['tunnel']);
    await once(socket, 'open');
    expect(socket.protocol).toBe('tunnel');
    const connection = new SpdyConnection(createWebSocketStream(socket), { role: 'client' });
    connection.start();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const headers = { port: String(index + 1), requestid: String(index) };
        const error = await connection.openStream({ ...headers, streamtype: 'error' });
        error.end();
        const data = await connection.openStream({ ...headers, streamtype: 'data' });
        data.end(Buffer.alloc(100_000));
        return [await text(data), await text(error)];
      }),
    );
    expect(answers).toEqual(Array.from({ length: 20 }, (_, index) => [`${index + 1} got 100000`, '']));
    connection.hangUp();
    await connection.closed;
  });
});

describe('a WebSocket that cannot be served', () => {
  it.each([
    { what: 'an unknown protocol', protocols: ['chat'], status: 403 },
    { what: 'no such path', path: '/nothing', protocols: ['v5.channel.k8s.io'], status: 404 },
  ])('$what: $status', async ({ protocols, path, status }) => {
    const server = await startServer();
    const url =
      path === undefined ? server.exec({ ...ALL_STREAMS, run: async () => 0 }) : server.baseUrl + path;
    const socket = new WebSocket(url.replace('http:', 'ws:'), protocols);
    const [error] = await once(socket, 'error');
    expect(String(error)).toContain(String(status));
  });
});
