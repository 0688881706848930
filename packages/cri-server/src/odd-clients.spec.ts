import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';
import { memoryBackendModule } from '@podwright/backend-memory';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { CriBed } from './cri-bed.spec-helper.js';

const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);
const frame = (type: number, payload: Buffer) =>
  Buffer.concat([Buffer.from([0, payload.length >> 8, payload.length & 255, type, 4, 0, 0, 0, 1]), payload]);

let bed: CriBed;

beforeEach(async () => {
  bed = await CriBed.start(memoryBackendModule());
  onTestFinished(() => bed[Symbol.asyncDispose]());
});

/** It reads nothing. */
async function connect(sent: Buffer): Promise<void> {
  const socket = createConnection(bed.socketPath);
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.write(sent, () => resolve()));
}

describe('a server', () => {
  it.each([
    ['of no protocol', (length: number) => randomBytes(length)],
    ['of HTTP/1', () => Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['after the preface', (length: number) => Buffer.concat([PREFACE, randomBytes(length)])],
    ['in headers', (length: number) => Buffer.concat([PREFACE, frame(1, randomBytes(length))])],
    ['in settings', (length: number) => Buffer.concat([PREFACE, frame(4, randomBytes(length))])],
  ])('goes on when clients send bytes %s', async (_what, bytes) => {
    for (const length of [1, 9, 100, 4000, 16_000]) await connect(bytes(length));
    expect((await bed.runtime.version()).runtimeName).toBe('podwright');
  });

  it.each([
    ['says nothing', Buffer.of()],
    ['has not finished its first words', PREFACE.subarray(0, 5)],
    ['does not answer', PREFACE],
  ])('comes to its end while a client is paused that %s', async (_what, sent) => {
    await connect(sent);
    await bed.runtime.version();
    await bed.server[Symbol.asyncDispose]();
    await expect(bed.runtime.version({}, { timeoutMs: 1000 })).rejects.toThrow();
  });
});
