import { type PodRecord, PodwrightError, parsePod, silentLogger } from '@podwright/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryPodStore } from './memory-pod-store.js';
import { PodLocks } from './pod-locks.js';
import { StorageMonitor } from './storage-monitor.js';

const INTERVAL_MS = 10_000;

let store: MemoryPodStore;
let monitor: StorageMonitor;
/** What each pod's only volume holds, in bytes. */
let usedBytes: Map<string, number>;
/** Sleeps of the monitor that are not over; each is ended by the test. */
let sleeps: { readonly ms: number; readonly wake: () => void }[];
/** Resolves when the monitor sleeps again. */
let asleep: () => Promise<void>;
let done: string[];

function recordOf(uid: string, sizeLimit: string | undefined): PodRecord {
  const manifest = parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: uid, uid },
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      volumes: [{ name: 'v', emptyDir: sizeLimit === undefined ? {} : { sizeLimit } }],
    },
  });
  return { uid, name: uid, namespace: 'default', manifest, createdAtMs: 1, state: 'running' };
}

beforeEach(async () => {
  store = new MemoryPodStore();
  await store.open();
  usedBytes = new Map();
  sleeps = [];
  done = [];
  let onSleep = () => {};
  asleep = () =>
    sleeps.length > 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          onSleep = resolve;
        });
  const clock = {
    nowMs: () => 1,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const wake = () => {
          sleeps = [];
          resolve();
        };
        sleeps.push({ ms, wake });
        signal?.addEventListener('abort', () => reject(new PodwrightError('cancelled', 'no more sleep')));
        onSleep();
      }),
  };
  const volumes = {
    usage: async (uid: string) => {
      done.push(`measure ${uid}`);
      if (uid === 'broken') throw new PodwrightError('command-failed', 'du failed');
      return [{ name: 'v', usedBytes: usedBytes.get(uid) ?? 0, inodesUsed: 1 }];
    },
  };
  monitor = Reflect.construct(StorageMonitor, [
    { features: { stats: false } },
    volumes,
    store,
    new PodLocks(clock),
    { stopAll: async (uid: string) => void done.push(`stop ${uid}`) },
    { record: ({ uid }: PodRecord, reason: string) => void done.push(`${reason} ${uid}`) },
    INTERVAL_MS,
    clock,
    silentLogger,
  ]);
});

/** One round, to its end. */
async function round(): Promise<void> {
  await asleep();
  sleeps[0]?.wake();
  await asleep();
}

describe('the monitor of disk use', () => {
  it('sleeps for good when no pod has limits', async () => {
    await store.put(recordOf('free', undefined));
    await monitor.start();
    expect(sleeps).toEqual([]);
    await monitor.stop();
  });

  it('evicts the pod that has more than its limit, and no other', async () => {
    for (const uid of ['full', 'small']) await store.put(recordOf(uid, '1Ki'));
    await store.put(recordOf('free', undefined));
    usedBytes.set('full', 2000).set('free', 2000);
    await monitor.start();
    await asleep();
    expect(sleeps.map(({ ms }) => ms)).toEqual([INTERVAL_MS]);
    await round();
    expect(done).toEqual(['measure full', 'measure small', 'Evicted full', 'stop full']);
    expect(await store.get('full')).toMatchObject({
      state: 'killed',
      reason: 'Evicted',
      message: 'Usage of EmptyDir volume "v" exceeds the limit "1Ki".',
    });
    expect((await store.get('small'))?.state).toBe('running');
    done = [];
    await round();
    expect(done).toEqual(['measure small']);
    await monitor.stop();
  });

  it('goes on when one pod cannot be measured', async () => {
    for (const uid of ['broken', 'full']) await store.put(recordOf(uid, '1Ki'));
    usedBytes.set('full', 2000);
    await monitor.start();
    await round();
    expect(done).toContain('stop full');
    await monitor.stop();
  });

  it('begins with the first pod that has limits', async () => {
    await monitor.start();
    const record = recordOf('full', '1Ki');
    await store.put(record);
    usedBytes.set('full', 2000);
    monitor.watch(record);
    await asleep();
    sleeps[0]?.wake();
    await expect.poll(() => done).toContain('stop full');
    await monitor.stop();
  });
});
