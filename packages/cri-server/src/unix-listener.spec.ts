import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UnixListener } from './unix-listener.js';

let directory: string;
let socketPath: string;
const listeners: UnixListener[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'listener-'));
  socketPath = join(directory, 'run', 'a.sock');
});

afterEach(async () => {
  for (const listener of listeners.splice(0)) {
    await listener.stopListening();
    listener.closeConnections();
  }
  await rm(directory, { recursive: true, force: true });
});

async function listen(): Promise<UnixListener> {
  const listener = new UnixListener({ socketPath });
  await listener.listen((socket) => socket.end('served'));
  listeners.push(listener);
  return listener;
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

async function answer(): Promise<string> {
  let text = '';
  for await (const chunk of createConnection(socketPath)) text += String(chunk);
  return text;
}

async function leaveDeadSocket(): Promise<void> {
  await mkdir(dirname(socketPath));
  const hidden = join(directory, 'hidden');
  const dead = createServer().listen(hidden);
  await new Promise<void>((resolve) => dead.once('listening', () => resolve()));
  await rename(hidden, socketPath);
  await new Promise<void>((resolve) => dead.close(() => resolve()));
  expect((await stat(socketPath)).isSocket()).toBe(true);
}

describe('UnixListener', () => {
  it('is for its owner only, and leaves nothing beside the socket', async () => {
    await listen();
    expect([await modeOf(socketPath), await modeOf(dirname(socketPath))]).toEqual(['600', '700']);
    expect(await readdir(dirname(socketPath))).toEqual(['a.sock']);
    expect(await answer()).toBe('served');
  });

  it('leaves a directory as it is', async () => {
    await mkdir(dirname(socketPath));
    await chmod(dirname(socketPath), 0o755);
    await listen();
    expect(await modeOf(dirname(socketPath))).toBe('755');
  });

  it('takes its socket away at its end', async () => {
    const listener = await listen();
    await listener.stopListening();
    expect(await readdir(dirname(socketPath))).toEqual([]);
  });

  it('refuses a place where a server answers', async () => {
    await listen();
    await expect(listen()).rejects.toMatchObject({ kind: 'already-exists' });
    expect(await answer()).toBe('served');
  });

  it('replaces the socket of a dead server', async () => {
    await leaveDeadSocket();
    await listen();
    expect(await answer()).toBe('served');
    expect(await readdir(dirname(socketPath))).toEqual(['a.sock']);
  });

  it.each([
    ['nothing', async () => undefined],
    ['the socket of a dead server', leaveDeadSocket],
  ])('of several that start at the same time one listens, where there is %s', async (_what, prepare) => {
    await prepare();
    const results = await Promise.allSettled([listen(), listen(), listen()]);
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(refused).toEqual([
      expect.objectContaining({ kind: 'already-exists' }),
      expect.objectContaining({ kind: 'already-exists' }),
    ]);
    expect(await answer()).toBe('served');
    expect(await readdir(dirname(socketPath))).toEqual(['a.sock']);
  });

  it('leaves the socket of another that took its place', async () => {
    const first = await listen();
    await rm(socketPath);
    await listen();
    await first.stopListening();
    expect(await answer()).toBe('served');
  });

  it('refuses a place where something else is', async () => {
    await mkdir(dirname(socketPath));
    await writeFile(socketPath, 'mine');
    await expect(listen()).rejects.toMatchObject({ kind: 'already-exists' });
  });

  it('says what is wrong with a descriptor that is no socket', async () => {
    const listener = new UnixListener({ socketPath, socketFd: 9999 });
    await expect(listener.listen(() => undefined)).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});
