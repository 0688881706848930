import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { remoteExec } from './client/remote-exec.js';
import { encodeStatus } from './command-status.js';
import { Deferred } from './deferred.js';
import { FrameParser } from './spdy/frame-parser.js';
import type { Frame } from './spdy/frames.js';
import { HeaderDecoder } from './spdy/header-codec.js';
import { hush } from './stream-ends.js';
import { ALL_STREAMS, disposeServers, OUTPUT_ONLY, startServer, TERMINAL } from './streaming.spec-helper.js';

const hex = (bytes: string) => Buffer.from(bytes.replaceAll(/\s/g, ''), 'hex');

/** The streams error, stdin, stdout and stderr as kubectl 1.28 opens them, recorded. */
const RECORDED = {
  error: hex(
    '80030001 00000029 00000001 00000000 0000 78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff',
  ),
  stdin: hex('80030001 00000017 00000003 00000000 0000 c22e555c92929907000000ffff'),
  stdout: hex('80030001 00000019 00000005 00000000 0000 c22ac5565c92925f5a02000000ffff'),
  stderr: hex('80030001 00000015 00000007 00000000 0000 c229975a5404000000ffff'),
  input: hex('00000003 00000006 68656c6c6f0a'),
  inputEnd: hex('00000003 01000000'),
};

/** A client that writes bytes and reads frames; it never sends a window. */
class RawClient {
  readonly frames: Frame[] = [];
  status = 0;
  head = '';
  readonly ended: Promise<unknown>;

  private constructor(readonly socket: Socket) {
    this.ended = once(socket, 'close');
  }

  static async upgrade(url: string, protocols: readonly string[], ...also: Buffer[]): Promise<RawClient> {
    const { port, pathname } = new URL(url);
    const socket = hush(connect({ port: Number(port), host: '127.0.0.1' }));
    onTestFinished(() => void socket.destroy());
    const client = new RawClient(socket);
    const lines = [
      `POST ${pathname} HTTP/1.1`,
      'Host: localhost',
      'User-Agent: raw',
      'Content-Length: 0',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      ...protocols.map((protocol) => `X-Stream-Protocol-Version: ${protocol}`),
      '',
      '',
    ];
    socket.write(Buffer.concat([Buffer.from(lines.join('\r\n')), ...also]));
    const answered = new Deferred<void>();
    const parser = new FrameParser(new HeaderDecoder());
    let before: Buffer | undefined = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      if (before === undefined) {
        client.frames.push(...parser.push(chunk));
        return;
      }
      before = Buffer.concat([before, chunk]);
      const end = before.indexOf('\r\n\r\n');
      if (end < 0) return;
      client.head = before.toString('latin1', 0, end);
      client.status = Number(client.head.split(' ')[1]);
      const rest = before.subarray(end + 4);
      before = undefined;
      if (client.status === 101) client.frames.push(...parser.push(rest));
      answered.resolve();
    });
    await answered.promise;
    return client;
  }

  /** Waits for a frame. */
  async frame(of: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(of);
      if (found !== undefined) return found;
      await once(this.socket, 'data');
    }
  }

  text(streamId: number): string {
    const data = this.frames.flatMap((frame) =>
      frame.type === 'data' && frame.streamId === streamId ? [frame.data] : [],
    );
    return Buffer.concat(data).toString();
  }
}

afterEach(disposeServers);

describe('a client made by hand, with the bytes of kubectl', () => {
  it('runs a command, with all that it says in one packet after the request', async () => {
    const server = await startServer();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin, stdout, stderr }) => {
        const input = await text(stdin as Readable);
        stderr?.write('a warning');
        stdout?.write(`got ${input}`);
        return 42;
      },
    });
    const client = await RawClient.upgrade(
      url,
      ['v4.channel.k8s.io', 'v3.channel.k8s.io'],
      ...Object.values(RECORDED),
    );
    expect(client.head.split('\r\n').sort()).toEqual([
      'Connection: Upgrade',
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: SPDY/3.1',
      'X-Stream-Protocol-Version: v4.channel.k8s.io',
    ]);
    await client.frame(({ type }) => type === 'goaway');
    expect(client.text(1)).toBe(encodeStatus({ type: 'exited', exitCode: 42 }));
    expect(client.text(5)).toBe('got hello\n');
    expect(client.text(7)).toBe('a warning');
    const ends = client.frames.flatMap((frame) =>
      frame.type === 'data' && frame.fin ? [frame.streamId] : [],
    );
    expect(ends.slice(0, 3).sort()).toEqual([1, 5, 7]);
    // The output is over before the Status.
    const statusAt = client.frames.findIndex((frame) => frame.type === 'data' && frame.streamId === 1);
    const lastOutputAt = client.frames.findLastIndex(
      (frame) => frame.type === 'data' && (frame.streamId === 5 || frame.streamId === 7),
    );
    expect(lastOutputAt).toBeLessThan(statusAt);
    // The connection is the client's to end.
    expect(client.socket.readyState).toBe('open');
  });

  it.each([
    { protocol: 'v4.channel.k8s.io', exitCode: 3, words: encodeStatus({ type: 'exited', exitCode: 3 }) },
    { protocol: 'v3.channel.k8s.io', exitCode: 3, words: 'command terminated with non-zero exit code: 3' },
    { protocol: 'v2.channel.k8s.io', exitCode: 3, words: 'command terminated with non-zero exit code: 3' },
    { protocol: 'channel.k8s.io', exitCode: 0, words: '' },
  ])('$protocol: exit code $exitCode as $words', async ({ protocol, exitCode, words }) => {
    const server = await startServer();
    const url = server.exec({ ...ALL_STREAMS, run: async () => exitCode });
    const { error, stdin, stdout, stderr } = RECORDED;
    const client = await RawClient.upgrade(url, [protocol], error, stdin, stdout, stderr);
    await client.frame(({ type }) => type === 'goaway');
    expect(client.text(1)).toBe(words);
  });

  it('version 2 opens no resize stream, and needs none', async () => {
    const server = await startServer();
    const url = server.exec({ ...TERMINAL, run: async () => 0 });
    const { error, stdin, stdout } = RECORDED;
    const client = await RawClient.upgrade(url, ['v2.channel.k8s.io'], error, stdin, stdout);
    await client.frame(({ type }) => type === 'goaway');
  });

  it('that opens more than was asked for is served all the same, and the handler does not see it', async () => {
    const server = await startServer();
    const seen = new Deferred<string[]>();
    const url = server.exec({
      ...OUTPUT_ONLY,
      run: async (streams) => {
        seen.resolve(Object.keys(streams));
        return 0;
      },
    });
    const client = await RawClient.upgrade(url, ['v4.channel.k8s.io'], ...Object.values(RECORDED));
    await client.frame(({ type }) => type === 'goaway');
    expect(await seen.promise).toEqual(['stdout', 'stderr', 'resize', 'signal']);
  });

  it('that never opens its streams is dropped', async () => {
    const server = await startServer({ streamCreationTimeoutMs: 50 });
    let ran = false;
    const url = server.exec({
      ...ALL_STREAMS,
      run: async () => {
        ran = true;
        return 0;
      },
    });
    const client = await RawClient.upgrade(url, ['v4.channel.k8s.io'], RECORDED.error);
    await client.ended;
    expect(ran).toBe(false);
  });

  it('that does nothing is dropped in time', async () => {
    const server = await startServer({ idleTimeoutMs: 50 });
    const aborted = new Deferred<void>();
    const url = server.exec({
      ...OUTPUT_ONLY,
      run: async ({ signal }) => {
        await once(signal, 'abort');
        aborted.resolve();
        return 0;
      },
    });
    const { error, stdin, stdout, stderr } = RECORDED;
    const client = await RawClient.upgrade(url, ['v4.channel.k8s.io'], error, stdin, stdout, stderr);
    await client.ended;
    await aborted.promise;
  });

  it('that breaks off fires the signal', async () => {
    const server = await startServer();
    const aborted = new Deferred<void>();
    const url = server.exec({
      ...OUTPUT_ONLY,
      run: async ({ signal }) => {
        await once(signal, 'abort');
        aborted.resolve();
        return 0;
      },
    });
    const { error, stdin, stdout, stderr } = RECORDED;
    const client = await RawClient.upgrade(url, ['v4.channel.k8s.io'], error, stdin, stdout, stderr);
    await client.frame((frame) => frame.type === 'syn-reply' && frame.streamId === 7);
    client.socket.resetAndDestroy();
    await aborted.promise;
  });
});

describe('URLs', () => {
  it('are good once', async () => {
    const server = await startServer();
    const url = server.exec({ ...OUTPUT_ONLY, run: async () => 0 });
    const command = await remoteExec(url);
    command.stdout?.resume();
    command.stderr?.resume();
    await expect(remoteExec(url)).rejects.toMatchObject({ kind: 'not-found' });
    expect(await command.exitCode).toBe(0);
    await expect(remoteExec(url)).rejects.toMatchObject({ kind: 'not-found', details: { statusCode: 404 } });
  });

  it('expire', async () => {
    const server = await startServer({ urlTtlMs: 20 });
    const url = server.exec({ ...OUTPUT_ONLY, run: async () => 0 });
    await sleep(30);
    await expect(remoteExec(url)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('are limited in number while nobody comes', async () => {
    const server = await startServer({ maxPending: 2 });
    const register = () => server.portForward({ run: async () => undefined });
    register();
    register();
    expect(register).toThrow(expect.objectContaining({ kind: 'unavailable' }));
  });

  it('stay good for a client that could not be served', async () => {
    const server = await startServer();
    const url = server.exec({ ...OUTPUT_ONLY, run: async () => 0 });
    expect((await RawClient.upgrade(url, ['v9.channel.k8s.io'])).status).toBe(403);
    const { port, pathname } = new URL(url);
    const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '99' };
    const call = request({ port, path: pathname, headers }).end();
    const [response] = await once(call, 'response');
    expect(response).toMatchObject({ statusCode: 400 });
    const command = await remoteExec(url);
    command.stdout?.resume();
    command.stderr?.resume();
    expect(await command.exitCode).toBe(0);
  });

  it.each([
    { method: 'GET', path: '/', status: 404 },
    { method: 'GET', path: '/exec/0000', status: 404 },
    { method: 'DELETE', path: undefined, status: 405 },
    { method: 'GET', path: undefined, status: 400 },
    { method: 'POST', path: undefined, status: 400 },
  ])('$method $path without an upgrade: $status', async ({ method, path, status }) => {
    const server = await startServer();
    const url =
      path === undefined ? server.exec({ ...OUTPUT_ONLY, run: async () => 0 }) : server.baseUrl + path;
    const call = request(url, { method });
    call.end();
    const [response] = await once(call, 'response');
    expect(response.statusCode).toBe(status);
    expect(await text(response)).not.toBe('');
  });

  it('want a sensible request', async () => {
    const server = await startServer();
    const run = async () => 0;
    expect(() => server.exec({ ...TERMINAL, stderr: true, run })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    );
    expect(() => server.exec({ stdin: false, stdout: false, stderr: false, tty: false, run })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    );
  });
});
