import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { killProcessTree, parseProcessStat, processesOf } from './process-tree.js';

describe('parseProcessStat', () => {
  it('reads a line, whatever the program is called', () => {
    expect(parseProcessStat('42 (a) R 1 (x) S 7 8 9 34816 8 4194304 0')).toEqual({
      pid: 42,
      state: 'S',
      parent: 7,
      session: 9,
      terminal: 34816,
    });
  });
  it('takes no other text', () => {
    expect(parseProcessStat('')).toBeUndefined();
  });
});

describe('processesOf', () => {
  const stat = (pid: number, parent: number, session: number, state = 'S') => ({
    pid,
    parent,
    session,
    state,
    terminal: 0,
  });
  const ALL = [
    stat(1, 0, 1),
    stat(10, 1, 10),
    stat(20, 10, 19),
    stat(21, 20, 19),
    stat(22, 21, 22),
    // Orphans: of the session whose leader 19 is gone, and of a descendant's session.
    stat(30, 1, 19),
    stat(31, 1, 22),
    stat(40, 1, 40),
    stat(23, 20, 19, 'Z'),
  ];

  it('finds descendants and orphans, and no one else', () => {
    expect(processesOf(20, 19, ALL)).toEqual([20, 21, 22, 30, 31]);
  });
  it('still finds the session when the process is gone', () => {
    const rest = ALL.filter(({ pid }) => pid !== 20).map((one) =>
      one.parent === 20 ? { ...one, parent: 1 } : one,
    );
    expect(processesOf(20, 19, rest)).toEqual([21, 22, 30, 31]);
  });
  it('finds nothing for one that is gone with all of its own', () => {
    expect(processesOf(99, undefined, ALL)).toEqual([]);
  });
});

describe('killProcessTree', () => {
  let root: string;
  let pauses: number[];
  let killed: string[];
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'process-tree-'));
    pauses = [];
    killed = [];
  });
  afterEach(() => rm(root, { recursive: true }));

  const add = async (pid: number, parent: number) => {
    await mkdir(join(root, 'proc', String(pid)), { recursive: true });
    await writeFile(join(root, 'proc', String(pid), 'stat'), `${pid} (x) D ${parent} 20 20 0 -1`);
  };
  const remove = (pid: number) => rm(join(root, 'proc', String(pid)), { recursive: true, force: true });

  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: async (delayMs) => {
      pauses.push(delayMs);
      nowMs += delayMs;
    },
  };

  /** @param onKill what the kernel does at each round */
  const kill = (onKill: (round: number) => Promise<void>) => {
    const executor = {
      hostPath: (path: string) => join(root, path),
      run: async ({ args }: { args: readonly string[] }) => {
        killed.push(args.slice(3).join(' '));
        await onKill(killed.length);
        return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0 };
      },
    };
    return killProcessTree(executor as unknown as HostExecutor, 20, clock);
  };

  it('ends them all, those at once that came meanwhile', async () => {
    await add(20, 1);
    await kill(async (round) => {
      await remove(19 + round);
      if (round < 3) await add(20 + round, 1);
    });
    expect(killed).toEqual(['20', '21', '22']);
    expect(pauses).toEqual([]);
  });

  it('waits for those that take their time', async () => {
    await add(20, 1);
    await kill(async (round) => (round === 4 ? remove(20) : undefined));
    expect(pauses).toEqual([5, 10, 20]);
  });

  it('tells those that cannot be ended, and does not wait for ever', async () => {
    await add(20, 1);
    await add(21, 20);
    const startMs = nowMs;
    await expect(kill(async () => remove(20))).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('5 s after SIGKILL: 21.'),
      details: { pids: [21] },
    });
    expect(nowMs - startMs).toBeLessThan(6000);
    expect(pauses.length).toBeLessThan(50);
    expect(pauses.every((pause) => pause > 0)).toBe(true);
  });
});
