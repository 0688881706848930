// The client against a server that behaves as containerd's does: it knows no windows, and closes when it is through.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { remoteExec } from './client/remote-exec.js';
import { encodeStatus } from './command-status.js';
import { Deferred } from './deferred.js';
import { encodeFrame } from './spdy/frame-encoder.js';
import { FrameParser } from './spdy/frame-parser.js';
import { type Frame, ResetStatus } from './spdy/frames.js';
import { HeaderDecoder, HeaderEncoder } from './spdy/header-codec.js';
import { hush } from './stream-ends.js';
import { pattern } from './streaming.spec-helper.js';

const EMPTY = Buffer.alloc(0);
/** As the client opens them. */
const ids = { error: 1, stdin: 3, stdout: 5, stderr: 7 };

/** Takes each stream, and does nothing else by itself. */
class RawServer {
  readonly frames: Frame[] = [];
  private readonly encoder = new HeaderEncoder();
  private readonly client = new Deferred<Socket>();

  private constructor(readonly url: string) {}

  static async start(): Promise<RawServer> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const address = http.address();
    if (address === null || typeof address === 'string') throw new Error('no address');
    const server = new RawServer(`http://127.0.0.1:${address.port}/exec/token`);
    http.on('upgrade', (_request, socket: Socket) => server.meet(socket));
    onTestFinished(() => void http.close());
    return server;
  }

  async socket(): Promise<Socket> {
    return await this.client.promise;
  }

  async send(...frames: Frame[]): Promise<void> {
    const socket = await this.socket();
    for (const frame of frames) socket.write(encodeFrame(frame, this.encoder));
  }

  /** As spdystream closes a connection: with what is on it, and whether or not it has read all. */
  async hangUp(): Promise<void> {
    const resets = Object.values(ids).map(
      (streamId): Frame => ({
        type: 'rst-stream',
        streamId,
        status: ResetStatus.cancel,
      }),
    );
    await this.send(...resets, { type: 'goaway', lastGoodStreamId: 0, status: 0 });
    (await this.socket()).destroy();
  }

  private meet(socket: Socket): void {
    hush(socket);
    onTestFinished(() => void socket.destroy());
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: SPDY/3.1'];
    socket.write([...lines, 'X-Stream-Protocol-Version: v4.channel.k8s.io', '', ''].join('\r\n'));
    const parser = new FrameParser(new HeaderDecoder());
    socket.on('data', (chunk) => {
      for (const frame of parser.push(chunk)) {
        this.frames.push(frame);
        if (frame.type !== 'syn-stream') continue;
        const { streamId } = frame;
        const reply: Frame = { type: 'syn-reply', streamId, fin: false, headers: {} };
        socket.write(encodeFrame(reply, this.encoder));
      }
    });
    this.client.resolve(socket);
  }
}

const output = (data: Buffer): Frame => ({ type: 'data', streamId: ids.stdout, fin: false, data });
const status = (exitCode: number): Frame => ({
  type: 'data',
  streamId: ids.error,
  fin: true,
  data: Buffer.from(encodeStatus({ type: 'exited', exitCode })),
});

describe('a client of a server that knows no windows', () => {
  it('writes nothing in answer to output: what the server has not read when it closes costs what it has sent', async () => {
    const server = await RawServer.start();
    const command = await remoteExec(server.url, { stdin: true });
    command.stderr?.resume();
    const sent = pattern(900_000);
    await server.send(output(sent), { type: 'data', streamId: ids.stdout, fin: true, data: EMPTY });
    expect((await buffer(command.stdout as Readable)).equals(sent)).toBe(true);
    await server.send(status(4));
    await server.hangUp();
    expect(await command.exitCode).toBe(4);
    expect(server.frames.map(({ type }) => type)).not.toContain('window-update');
  });
});

describe('a server that closes while it is written to', () => {
  it('has all of its output and its exit code taken', async () => {
    const server = await RawServer.start();
    const command = await remoteExec(server.url, { stdin: true });
    command.stderr?.resume();
    // What stays unread there makes its kernel reset the connection.
    (await server.socket()).pause();
    command.stdin?.write('never read');
    await sleep(20);
    const sent = pattern(40_000);
    await server.send(output(sent), status(5));
    await server.hangUp();
    for (let count = 0; count < 3; count += 1) command.stdin?.write('into nothing');
    expect((await buffer(command.stdout as Readable)).equals(sent)).toBe(true);
    expect(await command.exitCode).toBe(5);
  });

  it('is found lost when it has not said how the command ended', async () => {
    const server = await RawServer.start();
    const command = await remoteExec(server.url, { stdin: true });
    for (const stream of [command.stdout, command.stderr]) stream?.resume();
    (await server.socket()).pause();
    command.stdin?.write('never read');
    await sleep(20);
    (await server.socket()).destroy();
    for (let count = 0; count < 3; count += 1) command.stdin?.write('into nothing');
    await expect(command.exitCode).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
