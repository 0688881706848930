import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type ContainerConfig, PodwrightError, silentLogger } from '@podwright/core';
import type { SandboxRecord } from '@podwright/sandbox';
import type { JobOptions, UnitProperty } from '@podwright/systemd';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AttemptEnds } from './attempt-ends.js';
import { parseBackendOptions } from './backend-options.js';
import { ContainerProcesses } from './container-processes.js';
import type { ContainerRecord } from './container-record.js';
import { ContainerService } from './container-service.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { PodSlices } from './pod-slices.js';
import {
  CONTAINER_ID,
  containerConfig,
  containerRecord,
  errorOf,
  type FakeHost,
  fakeHost,
  sandboxRecord,
} from './testing.spec-helper.js';

const UNIT = containerUnitName(CONTAINER_ID);

/** Sleeps end when the test says. */
class SteppedClock implements Clock {
  readonly sleeps: { readonly ms: number; readonly wake: () => void }[] = [];

  nowMs(): number {
    return 100_000;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.sleeps.push({ ms, wake: resolve });
      signal?.addEventListener('abort', () => reject(new PodwrightError('cancelled', 'no more sleep')));
    });
  }
}

let folder: string;
let layout: HostLayout;
let host: FakeHost;
let store: ContainerStore;
let systemd: FakeSystemd;
let clock: SteppedClock;
let statuses: ContainerStatuses;
let service: ContainerService;
/** The sandbox of all containers. */
let sandbox: SandboxRecord | undefined;
/** What is done to unit files that outlive a reboot. */
let unitFiles: string[];
/** What the OCI runtime does with a signal. */
let onKill: (signal: string) => Promise<void>;

const paths = () => layout.container(CONTAINER_ID);

/** Writes the line of an attempt's end, as the record script does. */
async function endAttempt(number: number, { code = '0', error = '-' } = {}): Promise<void> {
  const line = `${number}\ti${number}\t1.0\t2.0\t${code}\tsuccess\texited\t0\t0\t300\t${error}\t-\n`;
  await writeFile(paths().attempts, line, { flag: 'a' });
  await rm(paths().startedMarker, { force: true });
}

const beginAttempt = (number: number) => writeFile(paths().startedMarker, `i${number}\n`);

async function make(config: Partial<ContainerConfig> = {}): Promise<void> {
  await store.add(containerRecord({ config: containerConfig(config) }), {
    ociConfig: '',
    launch: '',
    record: '',
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-service-'));
  layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
  onKill = async () => undefined;
  host = fakeHost({
    run: async ({ command, args }) => {
      if (command === '/usr/bin/crun') await onKill(args.at(-1) ?? '');
      return {};
    },
  });
  store = new ContainerStore(host, layout);
  await store.load();
  systemd = new FakeSystemd();
  clock = new SteppedClock();
  sandbox = undefined;
  unitFiles = [];
  const sandboxes = { get: () => sandbox };
  const persistent = {
    covers: () => sandbox?.persist === true,
    start: (record: ContainerRecord, properties: readonly UnitProperty[], job: JobOptions) =>
      systemd.startTransientUnit(containerUnitName(record.id), properties, job),
    enable: async (_: SandboxRecord, id: string) => void unitFiles.push(`enable ${id}`),
    removeContainer: async (id: string) => void unitFiles.push(`remove ${id}`),
  };
  const runtime = { flavour: 'crun', path: '/usr/bin/crun' };
  const processes = new ContainerProcesses(host, layout);
  const ends = new AttemptEnds(store, systemd, clock);
  statuses = new ContainerStatuses(store, processes, ends, systemd);
  service = Reflect.construct(ContainerService, [
    layout,
    { ensure: async () => undefined },
    { find: async () => ({ runtime, sh: '/bin/sh', unshare: '/usr/bin/unshare' }) },
    host,
    store,
    statuses,
    processes,
    ends,
    sandboxes,
    new PodSlices(systemd, layout),
    persistent,
    systemd,
    { warm: () => undefined },
    { version: async () => 2 },
    parseBackendOptions({ startTimeoutMs: 5000 }),
    clock,
    silentLogger,
  ]);
});

afterEach(() => rm(folder, { recursive: true }));

const status = () => statuses.of(store.require(CONTAINER_ID));
const kills = () =>
  host.commands.filter((line) => line.includes(' kill ')).map((line) => line.split(' ').at(-1));
/** When a sleep of so many milliseconds has begun. */
const asleep = async (ms: number) => {
  await expect.poll(() => clock.sleeps.some((sleep) => sleep.ms === ms), { timeout: 15_000 }).toBe(true);
  return clock.sleeps.find((sleep) => sleep.ms === ms)?.wake ?? (() => undefined);
};

describe('start', () => {
  beforeEach(() => make());

  it('resolves when the unit is started', async () => {
    systemd.onStart = () => beginAttempt(0);
    await service.start(CONTAINER_ID);
    expect(await status()).toMatchObject({ state: 'running', attempts: [{ attempt: 0 }] });
  });

  it('leaves it alone to come back after a reboot, of all of its name', async () => {
    sandbox = sandboxRecord({ persist: true });
    const files = { ociConfig: '', launch: '', record: '' };
    for (const [id, name, sandboxId] of [
      ['a'.repeat(64), 'main', 'sandbox'],
      ['b'.repeat(64), 'other', 'sandbox'],
      ['d'.repeat(64), 'main', 'another'],
    ] as const) {
      const config = containerConfig({ metadata: { name, attempt: 7 } });
      await store.add(containerRecord({ id, sandboxId, config }), files);
    }
    systemd.onStart = () => beginAttempt(0);
    await service.start(CONTAINER_ID);
    expect(unitFiles).toEqual([`enable ${CONTAINER_ID}`, `remove ${'a'.repeat(64)}`]);
  });

  it('of one that was started before is refused', async () => {
    await beginAttempt(0);
    expect((await errorOf(() => service.start(CONTAINER_ID))).kind).toBe('failed-precondition');
    expect(systemd.calls).toEqual([]);
  });

  it('tells why a container could not start, and stops what began', async () => {
    systemd.onStart = async () => {
      await endAttempt(0, { error: 'no such program' });
      throw new PodwrightError('job-failed', 'The unit failed.');
    };
    const error = await errorOf(() => service.start(CONTAINER_ID));
    expect([error.kind, error.message]).toEqual([
      'container-start-failed',
      'Container "main" could not be started: no such program',
    ]);
    expect(systemd.units.size).toBe(0);
    expect(await status()).toMatchObject({
      state: 'exited',
      attempts: [{ reason: 'ContainerCannotRun', message: 'no such program' }],
    });
  });

  it('says what systemd says when the scripts wrote nothing', async () => {
    systemd.onStart = () => Promise.reject(new PodwrightError('job-failed', 'The unit failed.'));
    expect((await errorOf(() => service.start(CONTAINER_ID))).message).toMatch(/: The unit failed\.$/);
  });

  it.each<[string, () => Promise<void>]>([
    ['and its end is written', () => endAttempt(0, { code: '7' })],
    ['and its end is being written', () => beginAttempt(0)],
  ])('is well when the container ended at once %s; systemd may go on with it', async (_what, written) => {
    systemd.onStart = async () => {
      await written();
      throw new PodwrightError('job-failed', 'The unit failed.');
    };
    await service.start(CONTAINER_ID);
    expect(systemd.calls).toEqual([`start ${UNIT}`]);
  });

  it.each(['cancelled', 'timeout', 'unavailable'] as const)(
    'that ends with %s says so, and is undone',
    async (kind) => {
      systemd.onStart = () => Promise.reject(new PodwrightError(kind, 'Over.'));
      expect(await errorOf(() => service.start(CONTAINER_ID))).toMatchObject({ kind, message: 'Over.' });
      expect(systemd.units.size).toBe(0);
    },
  );

  it('joins a start that an agent began and did not see the end of', async () => {
    systemd.set(UNIT, 'activating', { job: 'start' });
    systemd.onStart = () => beginAttempt(0);
    await service.start(CONTAINER_ID);
    expect(systemd.calls).toEqual([`start ${UNIT}`, `join ${UNIT}`]);
  });

  it('tells the failed start also when it cannot be undone', async () => {
    systemd.onStart = () => Promise.reject(new PodwrightError('timeout', 'Over.'));
    systemd.onStop = () => Promise.reject(new PodwrightError('unavailable', 'No bus.'));
    expect((await errorOf(() => service.start(CONTAINER_ID))).kind).toBe('timeout');
  });
});

describe('stop', () => {
  beforeEach(async () => {
    await make({ terminationGraceMs: 10_000, restart: { by: 'backend', policy: 'Always' } });
    await beginAttempt(0);
    systemd.set(UNIT, 'active');
  });

  const ends = async () => {
    await endAttempt(0);
    systemd.end(UNIT);
  };

  it('of one that does not run does nothing', async () => {
    systemd.end(UNIT);
    await service.stop(CONTAINER_ID);
    await service.stop('unknown');
    expect(systemd.calls).toEqual([]);
  });

  it.each([10_000, 4000, undefined])(
    'with a grace of %s ms is systemd’s, with no kill in time',
    async (graceMs) => {
      systemd.onStop = () => endAttempt(0);
      await service.stop(CONTAINER_ID, graceMs === undefined ? {} : { graceMs });
      expect([systemd.calls, kills()]).toEqual([[`stop ${UNIT}`, `reset ${UNIT}`], []]);
      expect((await status()).state).toBe('exited');
    },
  );

  it.each([10_000, 4000])('kills when a grace of %i ms is over', async (graceMs) => {
    let killed = () => {};
    systemd.onStop = () =>
      new Promise((resolve) => {
        killed = resolve;
      });
    onKill = async () => killed();
    const stopped = service.stop(CONTAINER_ID, { graceMs });
    (await asleep(graceMs))();
    await stopped;
    expect(kills()).toEqual(['KILL']);
  });

  it('with no grace kills first, while no other attempt may begin', async () => {
    const seen: boolean[] = [];
    onKill = async () => void seen.push(store.attempts(CONTAINER_ID).stopping);
    systemd.onStop = () => endAttempt(0);
    await service.stop(CONTAINER_ID, { graceMs: 0 });
    expect([seen, kills()]).toEqual([[true], ['KILL']]);
    expect(store.attempts(CONTAINER_ID).stopping).toBe(false);
  });

  it('with a longer grace sends the signal itself, and waits for the end', async () => {
    onKill = async (signal) => {
      if (signal === 'TERM') await ends();
    };
    await service.stop(CONTAINER_ID, { graceMs: 20_000 });
    expect(kills()).toEqual(['TERM', 'KILL']);
    expect((await status()).state).toBe('exited');
  });

  it('with a longer grace kills when that is over', async () => {
    onKill = async (signal) => {
      if (signal === 'KILL') await ends();
    };
    const stopped = service.stop(CONTAINER_ID, { graceMs: 20_000 });
    (await asleep(20_000))();
    await stopped;
    expect(kills()).toEqual(['TERM', 'KILL']);
  });

  it.each([10_000, 20_000])(
    'with a grace of %i ms kills at once when another call has no grace to give',
    async (graceMs) => {
      let killed = () => {};
      systemd.onStop = () =>
        new Promise((resolve) => {
          killed = resolve;
        });
      onKill = async (signal) => {
        if (signal !== 'KILL') return;
        await ends();
        killed();
      };
      const first = service.stop(CONTAINER_ID, { graceMs });
      await asleep(graceMs);
      const second = service.stop(CONTAINER_ID, { graceMs: 0 });
      (await asleep(0))();
      await Promise.all([first, second]);
      expect(kills()).toContain('KILL');
      expect((await status()).state).toBe('exited');
    },
  );

  it('that is cancelled in a longer grace does not kill, and lets restarts go on', async () => {
    const caller = new AbortController();
    onKill = async () => caller.abort();
    const error = await errorOf(() => service.stop(CONTAINER_ID, { graceMs: 20_000, signal: caller.signal }));
    expect([error.kind, kills()]).toEqual(['cancelled', ['TERM']]);
    expect(store.attempts(CONTAINER_ID).stopping).toBe(false);
    expect((await status()).state).toBe('running');
  });

  it('in the back-off sends no signal with a longer grace', async () => {
    await endAttempt(0);
    systemd.set(UNIT, 'activating');
    await service.stop(CONTAINER_ID, { graceMs: 20_000 });
    expect(kills()).toEqual(['KILL']);
    expect(systemd.units.size).toBe(0);
  });

  it('is shown as the end while systemd stops the back-off', async () => {
    await endAttempt(0);
    systemd.set(UNIT, 'activating');
    expect((await status()).state).toBe('waiting');
    let seen = '';
    systemd.onStop = async () => {
      seen = (await status()).state;
    };
    await service.stop(CONTAINER_ID);
    expect(seen).toBe('exited');
  });

  it.each(['inactive', 'failed'] as const)('takes back the start that one waits for: %s', async (state) => {
    await endAttempt(0);
    systemd.set(UNIT, state, { job: 'start' });
    expect((await status()).state).toBe('waiting');
    await service.stop(CONTAINER_ID);
    expect([systemd.calls, systemd.units.size]).toEqual([[`stop ${UNIT}`, `reset ${UNIT}`], 0]);
    expect((await status()).state).toBe('exited');
  });

  it('fails with what systemd says', async () => {
    systemd.onStop = () => Promise.reject(new PodwrightError('unavailable', 'No bus.'));
    expect((await errorOf(() => service.stop(CONTAINER_ID))).kind).toBe('unavailable');
  });
});

describe('remove', () => {
  it('kills and removes, once', async () => {
    await make();
    await beginAttempt(0);
    systemd.set(UNIT, 'active');
    expect(await Promise.all([service.remove(CONTAINER_ID), service.remove(CONTAINER_ID)])).toEqual([
      true,
      false,
    ]);
    expect(kills()).toEqual(['KILL']);
    expect([systemd.units.size, store.list().length]).toEqual([0, 0]);
  });
});

describe('status', () => {
  beforeEach(() => make({ restart: { by: 'backend', policy: 'Always' } }));

  it('reads again when an attempt ends between file and unit', async () => {
    await beginAttempt(0);
    systemd.set(UNIT, 'active');
    const list = systemd.listUnits.bind(systemd);
    let looks = 0;
    systemd.listUnits = async (filter) => {
      if (looks++ === 0) {
        // The unit was gone already, and its end not yet read.
        await endAttempt(0, { code: '3' });
        systemd.end(UNIT);
      }
      return await list(filter);
    };
    expect(await status()).toMatchObject({ state: 'exited', attempts: [{ exitCode: 3 }] });
    expect(looks).toBe(2);
  });

  it('of one that was never started is not asked of systemd', async () => {
    systemd.listUnits = async () => {
      throw new Error('was asked');
    };
    expect([await status(), ...(await statuses.ofAll(store.list()))]).toMatchObject([
      { state: 'created' },
      { state: 'created' },
    ]);
  });

  it('of one whose process has ended waits for the record of its end', async () => {
    await beginAttempt(0);
    systemd.set(UNIT, 'active');
    // Beyond what Linux numbers its processes with.
    await mkdir(paths().run, { recursive: true });
    await writeFile(paths().pidFile, '4194305');
    const told = status();
    await asleep(500);
    await endAttempt(0, { code: '3' });
    systemd.set(UNIT, 'failed');
    expect(await told).toMatchObject({ state: 'exited', attempts: [{ exitCode: 3 }] });
  });

  it('of one whose end nobody records is what systemd says', async () => {
    await beginAttempt(0);
    systemd.set(UNIT, 'active');
    await mkdir(paths().run, { recursive: true });
    await writeFile(paths().pidFile, '4194305');
    const told = statuses.ofAll(store.list());
    (await asleep(500))();
    expect(await told).toMatchObject([{ state: 'running' }]);
  });

  it('of many at once looks closer at one that started meanwhile', async () => {
    await endAttempt(0);
    const list = systemd.listUnits.bind(systemd);
    let looks = 0;
    systemd.listUnits = async (filter) => {
      const rows = await list(filter);
      if (looks++ === 0) {
        await beginAttempt(1);
        systemd.set(UNIT, 'active');
      }
      return rows;
    };
    expect(await statuses.ofAll(store.list())).toMatchObject([{ state: 'running' }]);
  });
});

it('the status of one that has ended, and that nobody but its caller starts, is not asked of systemd', async () => {
  await make();
  await endAttempt(0, { code: '3' });
  systemd.listUnits = async () => {
    throw new Error('was asked');
  };
  expect([await status(), ...(await statuses.ofAll(store.list()))]).toMatchObject([
    { state: 'exited' },
    { state: 'exited' },
  ]);
});
