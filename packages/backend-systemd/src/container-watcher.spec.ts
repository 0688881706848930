import type { ContainerAttempt, ContainerPhase, ContainerStatus, RuntimeEvent } from '@podwright/core';
import { silentLogger } from '@podwright/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { ContainerWatcher } from './container-watcher.js';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { containerUnitName } from './host-layout.js';
import { CONTAINER_ID, containerConfig, containerRecord } from './testing.spec-helper.js';

const UNIT = containerUnitName(CONTAINER_ID);

let systemd: FakeSystemd;
let statuses: Map<string, ContainerStatus>;
let watcher: ContainerWatcher;
let events: RuntimeEvent[];
let looks: number;
let onLook: () => void;

function ended(attempt: number, fields: Partial<ContainerAttempt> = {}): ContainerAttempt {
  return { attempt, startedAtMs: 100 + attempt, finishedAtMs: 200 + attempt, exitCode: 0, ...fields };
}

const runs = (attempt: number): ContainerAttempt => ({ attempt, startedAtMs: 100 + attempt });

function is(state: ContainerPhase, attempts: readonly ContainerAttempt[], nextStartAtMs?: number): void {
  const { id, sandboxId, podUid, createdAtMs, imageId } = containerRecord();
  const { metadata, image, labels, annotations, mounts, resources } = containerConfig();
  statuses.set(id, {
    ...{
      id,
      sandboxId,
      podUid,
      createdAtMs,
      imageId,
      metadata,
      image,
      labels,
      annotations,
      mounts,
      resources,
    },
    ...{ state, attempts },
    ...(nextStartAtMs === undefined ? {} : { nextStartAtMs }),
  });
}

const told = () =>
  events.map((event) => {
    if (event.type === 'container-started') return `started ${event.attempt}`;
    if (event.type !== 'container-exited') return event.type;
    return `exited ${event.attempt.attempt}${event.restartInMs === undefined ? '' : ` again in ${event.restartInMs}`}`;
  });

/** When all looks that were asked for are over. */
const settled = () => watcher.forget('nobody').then(() => new Promise((resolve) => setImmediate(resolve)));

beforeEach(() => {
  systemd = new FakeSystemd();
  statuses = new Map();
  events = [];
  looks = 0;
  onLook = () => undefined;
  const store = {
    get: (id: string) => (statuses.has(id) ? { id } : undefined),
    list: () => [...statuses.keys()].map((id) => ({ id })),
  };
  const containers = {
    of: async ({ id }: { id: string }) => {
      looks++;
      onLook();
      return statuses.get(id);
    },
    ofAll: async () => [...statuses.values()],
    ofStarted: (id: string) => {
      const status = statuses.get(id);
      return status?.state === 'running' ? status : undefined;
    },
  };
  watcher = Reflect.construct(ContainerWatcher, [
    ...[systemd, store, containers, { refresh: async () => undefined }, silentLogger],
  ]);
  watcher.events.subscribe((event) => events.push(event));
});

describe('ContainerWatcher', () => {
  it('tells what happens after its start, by the difference of two looks', async () => {
    is('running', [ended(0), runs(1)]);
    await watcher.start();
    expect(told()).toEqual([]);
    is('waiting', [ended(0), ended(1)], 1300);
    systemd.changed(UNIT);
    await expect.poll(told).toEqual(['exited 1 again in 1099']);
    is('running', [ended(0), ended(1), runs(2)]);
    systemd.set(UNIT, 'active');
    await expect.poll(told).toEqual(['exited 1 again in 1099', 'started 2']);
    is('exited', [ended(0), ended(1), ended(2)]);
    systemd.end(UNIT);
    await expect.poll(told).toEqual(['exited 1 again in 1099', 'started 2', 'exited 2']);
    expect(events.at(-1)).toMatchObject({
      ...{ containerId: CONTAINER_ID, sandboxId: 'sandbox', podUid: '1', timestampMs: 202 },
      attempt: ended(2),
    });
  });

  it('tells attempts that it missed, with a restart between them', async () => {
    is('created', []);
    await watcher.start();
    is('running', [ended(0), ended(1), runs(2)]);
    await watcher.refresh(CONTAINER_ID);
    expect(told()).toEqual([
      'started 0',
      'exited 0 again in 0',
      'started 1',
      'exited 1 again in 0',
      'started 2',
    ]);
  });

  it('goes by the numbers of attempts when the older ones are no longer kept', async () => {
    is('running', [ended(48), runs(49)]);
    await watcher.start();
    is('running', [ended(49), runs(50)]);
    await watcher.refresh(CONTAINER_ID);
    expect(told()).toEqual(['exited 49 again in 0', 'started 50']);
  });

  it('tells no start of an attempt that could not run', async () => {
    is('created', []);
    await watcher.start();
    is('exited', [ended(0, { reason: 'ContainerCannotRun', exitCode: 128 })]);
    await watcher.refresh(CONTAINER_ID);
    expect(told()).toEqual(['exited 0']);
  });

  it('tells nothing twice: not for many signals, nor when a look is older than the one before', async () => {
    is('created', []);
    await watcher.start();
    is('exited', [ended(0)]);
    await Promise.all([1, 2, 3].map(() => watcher.refresh(CONTAINER_ID)));
    is('running', [runs(0)]);
    await watcher.refresh(CONTAINER_ID);
    is('exited', [ended(0)]);
    await watcher.refresh(CONTAINER_ID);
    expect(told()).toEqual(['started 0', 'exited 0']);
  });

  it('misses nothing that happens while it starts', async () => {
    is('running', [runs(0)]);
    const started = watcher.start();
    is('exited', [ended(0)]);
    await started;
    expect(told()).toEqual(['exited 0']);
  });

  it('looks at everything after a relist, and once for all signals that come during a look', async () => {
    is('running', [runs(0)]);
    await watcher.start();
    is('exited', [ended(0)]);
    for (let count = 0; count < 5; count++) systemd.unitEvents.next({ type: 'relist' });
    await expect.poll(told).toEqual(['exited 0']);
    await settled();
    // The first one began at once, one more serves the other four.
    expect(looks).toBe(2);
  });

  it('does not look for units of others, nor for steps on the way of its own', async () => {
    is('running', [runs(0)]);
    await watcher.start();
    systemd.set('ssh.service', 'active');
    systemd.set(`podwright-${'d'.repeat(64)}.service`, 'active');
    systemd.set(UNIT, 'activating');
    await settled();
    expect(looks).toBe(0);
  });

  it('goes on after a look that failed', async () => {
    is('running', [runs(0)]);
    await watcher.start();
    onLook = () => {
      throw new Error('no bus');
    };
    systemd.end(UNIT);
    await expect.poll(() => looks).toBe(1);
    onLook = () => undefined;
    is('exited', [ended(0)]);
    systemd.unitEvents.next({ type: 'relist' });
    await expect.poll(told).toEqual(['exited 0']);
  });

  it('is silent after its stop', async () => {
    is('running', [runs(0)]);
    await watcher.start();
    watcher.stop();
    is('exited', [ended(0)]);
    systemd.end(UNIT);
    await settled();
    expect([told(), systemd.unitEvents.observed]).toEqual([[], false]);
  });

  const changed = (ActiveState: 'active' | 'inactive') =>
    systemd.unitEvents.next({ type: 'changed', unit: UNIT, properties: { ActiveState }, invalidated: [] });

  it('tells of a start when it is over, and asks nobody, whatever its unit tells on the way', async () => {
    is('created', []);
    await watcher.start();
    await watcher.lookAfter(CONTAINER_ID, async () => {
      // systemd tells so as well when it begins with a start.
      changed('inactive');
      changed('active');
      await settled();
      expect(told()).toEqual([]);
      is('running', [runs(0)]);
    });
    expect(told()).toEqual(['started 0']);
    expect(looks).toBe(0);
  });

  it.each([
    ['its unit told an end', 'running', () => changed('inactive')],
    ['systemd was lost meanwhile', 'running', () => systemd.unitEvents.next({ type: 'relist' })],
    ['its files do not say that it runs', 'created', () => changed('active')],
  ] as const)('looks after a start when %s', async (_why, state, happens) => {
    is('created', []);
    await watcher.start();
    await watcher.lookAfter(CONTAINER_ID, async () => {
      is(state, []);
      happens();
      onLook = () => is('exited', [ended(0)]);
    });
    expect(looks).toBe(1);
    expect(told()).toEqual(['started 0', 'exited 0']);
  });

  it('looks after a start that failed when its unit told something', async () => {
    is('created', []);
    await watcher.start();
    const failing = watcher.lookAfter(CONTAINER_ID, async () => {
      systemd.unitEvents.next({
        type: 'changed',
        unit: UNIT,
        properties: { ActiveState: 'failed' },
        invalidated: [],
      });
      is('exited', [ended(0, { reason: 'ContainerCannotRun' })]);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await settled();
    expect(told()).toEqual(['exited 0']);
  });

  it('looks again at what is told after a start', async () => {
    is('created', []);
    await watcher.start();
    await watcher.lookAfter(CONTAINER_ID, async () => is('running', [runs(0)]));
    is('exited', [ended(0)]);
    systemd.unitEvents.next({ type: 'removed', unit: UNIT });
    await settled();
    expect(told()).toEqual(['started 0', 'exited 0']);
  });
});
