import type { PodSandboxStats, RuntimeService, VolumeProvider } from '@podwright/core';
import { PodwrightError } from '@podwright/core';
import { firstValueFrom, take, toArray } from 'rxjs';
import { expect, it } from 'vitest';
import { ManualClock } from './manual-clock.spec-helper.js';
import { PodStatsReader } from './pod-stats.js';

const stats = (uid: string, namespace: string): PodSandboxStats => ({
  id: uid,
  metadata: { name: uid, namespace, uid, attempt: 0 },
  timestampMs: 1,
  cpu: { usageNanoseconds: 1 },
  memory: { workingSetBytes: 1, usageBytes: 1 },
  pids: 1,
  network: [],
  containers: [],
});

/** A reader over a backend whose reading takes so long. */
function readerOf(readMs = 0) {
  const clock = new ManualClock();
  const begun: number[] = [];
  let under = 0;
  const service: Pick<RuntimeService, 'listPodSandboxStats'> = {
    listPodSandboxStats: async () => {
      under++;
      expect(under).toBe(1);
      begun.push(clock.time);
      await new Promise((resolve) => setImmediate(resolve));
      clock.time += readMs;
      under--;
      return [stats('b', 'other'), stats('a', 'default')];
    },
  };
  const volumes: Pick<VolumeProvider, 'usage'> = {
    usage: async (uid) => [{ name: uid, usedBytes: 1, inodesUsed: 1 }],
  };
  const reader: PodStatsReader = Reflect.construct(PodStatsReader, [service, volumes, clock]);
  return { reader, clock, begun };
}

it('adds what the volumes of each pod hold', async () => {
  const { reader } = readerOf();
  const pods = await reader.read({ namespace: 'other' }, {});
  expect(pods.map(({ metadata, volumes }) => [metadata.uid, volumes[0]?.name])).toEqual([['b', 'b']]);
});

it.each([
  ['from beginning to beginning', 30, [0, 100, 200]],
  ['one after the other when reading takes longer', 250, [0, 250, 500]],
])('watches %s', async (_what, readMs, expected) => {
  const { reader, clock, begun } = readerOf(readMs);
  const start = clock.time;
  await firstValueFrom(reader.watch({}, 100).pipe(take(3), toArray()));
  expect(begun.slice(0, 3).map((time) => time - start)).toEqual(expected);
});

it.each([0, -1, Number.NaN])('refuses an interval of %s', async (intervalMs) => {
  const { reader } = readerOf();
  await expect(firstValueFrom(reader.watch({}, intervalMs))).rejects.toThrow(PodwrightError);
});
