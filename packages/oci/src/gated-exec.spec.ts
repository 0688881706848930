import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { HostExecutor } from '@podwright/nsenter';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ExecRequest } from './exec-handler.js';
import { execGated } from './gated-exec.js';

/** Of the command in the container. */
const PID = 20;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gated-exec-'));
  await mkdir(join(root, 'proc', String(PID)), { recursive: true });
  await writeFile(join(root, 'proc', String(PID), 'stat'), `${PID} (x) D 1 20 20 0 -1`);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(root, { recursive: true });
});

it('a command that cannot be ended is told, and what waits for it is let go', async () => {
  let end: (exit: { exitCode: number }) => void = () => undefined;
  const process = {
    pid: 10,
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    exited: new Promise<{ exitCode: number }>((resolve) => {
      end = resolve;
    }),
    kill: () => end({ exitCode: 137 }),
  };
  const executor = {
    hostPath: (path: string) => (path.startsWith('/proc') ? join(root, path) : path),
    start: async () => process,
    run: async () => ({ stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0 }),
  } as unknown as HostExecutor;
  const request = {
    directory: join(root, 'run'),
    process: { args: ['df'], terminal: false },
    attach: async () => undefined,
  } as unknown as ExecRequest;
  await mkdir(request.directory);
  const session = await execGated(executor, request, async (directory) => {
    const pidFile = join(directory, 'pid');
    // When the gate opens.
    process.stdin.once('data', () => void writeFile(pidFile, `${PID}\n`));
    return { line: { command: 'df', args: [], env: {} }, pidFile, failure: async () => undefined };
  });
  let ended = false;
  const both = Promise.all([
    expect(session.kill()).rejects.toMatchObject({ kind: 'timeout', details: { pids: [PID] } }),
    expect(session.exitCode).resolves.toBe(137),
  ]).finally(() => {
    ended = true;
  });
  while (!ended) {
    await vi.advanceTimersByTimeAsync(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await both;
  expect(await readdir(request.directory)).toEqual([]);
});
