import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { silentLogger } from '@podwright/core';
import { LocalHostExecutor } from '@podwright/nsenter';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatedCommand, startGated } from './gated-command.js';

const executor = new LocalHostExecutor(silentLogger, {});
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'podwright-gate-'));
});
afterAll(() => rm(directory, { recursive: true }));

const command = (...args: string[]) => ({ command: args[0] ?? '', args: args.slice(1), env: {} });

describe('startGated', () => {
  it('executes in the process that was attached, after that', async () => {
    const marker = join(directory, 'marker');
    let attached = 0;
    const process = await startGated(executor, command('sh', '-c', 'echo $$ >"$0"', marker), async (pid) => {
      attached = pid;
      expect(existsSync(marker)).toBe(false);
    });
    expect(await process.exited).toMatchObject({ exitCode: 0 });
    expect(Number(readFileSync(marker, 'utf8'))).toBe(attached);
  });

  it('leaves the command every byte of its input', async () => {
    const process = await startGated(executor, command('cat'), () => Promise.resolve());
    const bytes = Buffer.alloc(200_000, 'line one\nline \0 two\r\n\n');
    process.stdin.end(bytes);
    expect((await buffer(process.stdout)).equals(bytes)).toBe(true);
  });

  it('passes words on as they are', async () => {
    const words = ['', '$HOME', "it's", '"q"', '*', 'a\nb', '--', '%n'];
    const process = await startGated(executor, command('printf', '%s\\0', ...words), () => Promise.resolve());
    process.stdin.end();
    expect((await buffer(process.stdout)).toString().split('\0').slice(0, -1)).toEqual(words);
  });

  it('executes nothing when attaching fails', async () => {
    const marker = join(directory, 'never');
    const failing = startGated(executor, command('touch', marker), () =>
      Promise.reject(new Error('no unit')),
    );
    await expect(failing).rejects.toThrow('no unit');
    expect(existsSync(marker)).toBe(false);
  });
});

describe('gatedCommand', () => {
  it.each(['', 'stop\n', 'go away\n', 'go'])('stays shut after %j', async (input) => {
    const marker = join(directory, 'shut');
    const result = await executor.run({
      ...gatedCommand(command('touch', marker)),
      input,
      okExitCodes: 'any',
    });
    expect(result.exitCode).toBe(125);
    expect(existsSync(marker)).toBe(false);
  });
});
