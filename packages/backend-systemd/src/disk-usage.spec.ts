import type { Clock } from '@podwright/core';
import { DiskUsage } from '@podwright/sandbox';
import { beforeEach, expect, it } from 'vitest';
import { errorOf, type FakeHost, fakeHost } from './testing.spec-helper.js';

let nowMs: number;
/** How long a du takes. */
let costMs: number;
let host: FakeHost;
let disk: DiskUsage;

beforeEach(() => {
  nowMs = 1_000_000;
  costMs = 0;
  host = fakeHost({
    run: ({ args, input }) => {
      nowMs += costMs / 2;
      const number = args.includes('--inodes') ? 3 : 4096;
      const paths = String(input)
        .split('\0')
        .filter((path) => path !== '' && path !== '/gone');
      return { stdout: Buffer.from(paths.map((path) => `${number}\t${path}\0`).join('')), exitCode: 1 };
    },
  });
  const clock: Clock = { nowMs: () => nowMs, sleep: () => Promise.reject(new Error('not used')) };
  disk = new DiskUsage(host, clock);
});

const USED = { usedBytes: 4096, inodesUsed: 3 };

it('measures all that is asked for at once with one du for bytes and one for inodes', async () => {
  const [one, two] = await Promise.all([disk.of(['/a', '/gone']), disk.of(['/b', '/a'])]);
  expect(one).toEqual(new Map([['/a', USED]]));
  expect(two).toEqual(
    new Map([
      ['/b', USED],
      ['/a', USED],
    ]),
  );
  expect(host.commands).toHaveLength(2);
});

it('starts nothing for nothing', async () => {
  expect(await disk.of([])).toEqual(new Map());
  expect(host.commands).toEqual([]);
});

it.each([
  ['cheap', 0, 500],
  ['dear', 1000, 20_000],
  ['very dear', 100_000, 60_000],
])('what was %s to measure serves for its while', async (_what, cost, keptMs) => {
  costMs = cost;
  await disk.of(['/a']);
  nowMs += keptMs - 1;
  await disk.of(['/a']);
  expect(host.commands).toHaveLength(2);
  nowMs += 1;
  await disk.of(['/a']);
  expect(host.commands).toHaveLength(4);
});

it('whoever no longer waits does not end the measurement for others', async () => {
  const gone = new AbortController();
  const first = disk.of(['/a'], { signal: gone.signal });
  const second = disk.of(['/a']);
  gone.abort();
  expect((await errorOf(() => first)).kind).toBe('cancelled');
  expect(await second).toEqual(new Map([['/a', USED]]));
});
