import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { hush } from '../stream-ends.js';
import { pattern } from '../streaming.spec-helper.js';
import { ReadFirstSocket } from './read-first-socket.js';

async function connection(): Promise<{ ours: ReadFirstSocket; theirs: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  const ours = new ReadFirstSocket().connect({ host: '127.0.0.1', port: address.port });
  const [theirs] = (await once(server, 'connection')) as [Socket];
  onTestFinished(() => {
    ours.destroy();
    theirs.destroy();
  });
  return { ours, theirs };
}

it('carries what is written, in order', async () => {
  const { ours, theirs } = await connection();
  ours.resume();
  for (let count = 0; count < 100; count += 1) ours.write(`${count},`);
  ours.end('end');
  expect(String(await buffer(theirs))).toBe(`${[...Array(100).keys()].join(',')},end`);
});

it('writes while the other side never stops', async () => {
  const { ours, theirs } = await connection();
  ours.resume();
  const flood = () => theirs.write(Buffer.alloc(1000));
  ours.on('data', flood);
  flood();
  ours.write('x');
  theirs.resume();
  expect(String((await once(theirs, 'data'))[0])).toBe('x');
});

it('writes nothing once all that can be read ends', async () => {
  const { ours, theirs } = await connection();
  const sent = pattern(60_000);
  theirs.end(sent);
  await once(theirs, 'finish');
  ours.write('too late');
  const answered = buffer(theirs);
  expect((await buffer(ours)).equals(sent)).toBe(true);
  expect(String(await answered)).toBe('');
});

it('reads on when the other side has reset the connection under a write', async () => {
  const { ours, theirs } = await connection();
  const sent = pattern(60_000);
  await new Promise((written) => ours.write('stays unread', written));
  theirs.write(sent);
  theirs.destroy();
  const closed = new Promise((resolve) => hush(ours).once('close', resolve));
  ours.write('into nothing');
  const received: Buffer[] = [];
  ours.on('data', (chunk: Buffer) => received.push(chunk));
  await closed;
  expect(Buffer.concat(received).equals(sent)).toBe(true);
});
