import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { expect, it } from 'vitest';
import { Cleanup } from '../../test/cleanup.js';
import { BusConnection } from './bus-connection.js';
import { encodeMessage, MessageReader, MessageType } from './message-codec.js';
import type { BusSignal } from './systemd-bus.js';

const cleanup = new Cleanup();

/** A signal whose body says that it has a file descriptor, where none was sent. */
function unreadable(member: string): Buffer {
  const message = {
    sender: ':1.0',
    path: '/a',
    interface: 'org.example.A',
    member,
    signature: 'u',
    body: [0],
  };
  const bytes = encodeMessage({ ...message, type: MessageType.signal, serial: 2 });
  const signature = bytes.indexOf(Buffer.from([1, 0x67, 0, 1, 0x75, 0]));
  bytes[signature + 4] = 0x68;
  return bytes;
}

/** A daemon that sends, right after its answer to Hello, what it is given. */
async function connected(sent: readonly Buffer[], onSignal: (signal: BusSignal) => void) {
  const folder = await mkdtemp(join(tmpdir(), 'podwright-bus-'));
  cleanup.defer(() => rm(folder, { recursive: true }));
  const path = join(folder, 'bus');
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write('OK 00\r\n');
      socket.once('data', (chunk) => {
        const reader = new MessageReader();
        const hello = chunk.subarray(chunk.indexOf('BEGIN\r\n') + 7);
        const answer = () => {
          const reply = {
            type: MessageType.methodReturn,
            serial: 1,
            replySerial: 1,
            signature: 's',
            body: [':1.1'],
          };
          socket.write(Buffer.concat([encodeMessage(reply), ...sent]));
        };
        if (reader.push(hello).length > 0) answer();
        else socket.once('data', answer);
      });
    });
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  cleanup.defer(() => server.close());
  const connection = await BusConnection.open({
    endpoint: { path },
    address: `unix:path=${path}`,
    connectTimeoutMs: 15_000,
    callTimeoutMs: 15_000,
    onSignal,
  });
  cleanup.defer(() => connection.close(new PodwrightError('closed', 'The test is over.')));
  return connection;
}

it('reads of a signal only what somebody asks for', async () => {
  const seen: string[] = [];
  await connected([unreadable('Unread')], ({ member }) => void seen.push(member));
  await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['Unread']);
});

it('ends when a signal that somebody asks for cannot be read, and that is no error of theirs', async () => {
  const bodies: unknown[] = [];
  const connection = await connected([unreadable('Read')], (signal) => {
    bodies.push(signal.body, signal.body);
  });
  expect(await connection.ended).toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('cannot be read'),
  });
  expect(bodies).toEqual([[], []]);
});
