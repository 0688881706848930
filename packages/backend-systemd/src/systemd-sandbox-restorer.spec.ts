import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RestartOwner, silentLogger } from '@podwright/core';
import type { SandboxRecord } from '@podwright/sandbox';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBackendOptions } from './backend-options.js';
import { ContainerStore } from './container-store.js';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { PersistentUnits } from './persistent-units.js';
import { PodSlices } from './pod-slices.js';
import { SystemdSandboxRestorer } from './systemd-sandbox-restorer.js';
import {
  containerConfig,
  containerRecord,
  type FakeHost,
  fakeHost,
  sandboxRecord,
} from './testing.spec-helper.js';

const UID = '1';
const ALWAYS: RestartOwner = { by: 'backend', policy: 'Always' };
const ON_FAILURE: RestartOwner = { by: 'backend', policy: 'OnFailure' };
/** Tells of attempt 0: code 0, by itself or with its host. */
const lineOf = (result: string) => `0\ti0\t1.0\t2.0\t0\t${result}\texited\t0\t0\t300\t-\t-\n`;

let folder: string;
let host: FakeHost;
let layout: HostLayout;
let systemd: FakeSystemd;
let store: ContainerStore;
let units: PersistentUnits;
let restorer: SystemdSandboxRestorer;
let sandbox: SandboxRecord;
/** What makes the sandbox anew. */
let remake: () => Promise<void>;

const idOf = (letter: string) => letter.repeat(64);
const released = (id: string) => existsSync(host.hostPath(layout.container(id).exitDir));

/** A container whose unit file is enabled, as it is when the host is up again. */
async function make(letter: string, attempt: number, restart: RestartOwner, attempts?: string) {
  const id = idOf(letter);
  const config = containerConfig({ metadata: { name: 'app', attempt }, restart });
  const record = containerRecord({ id, config });
  await store.add(record, { ociConfig: '', launch: '', record: '' });
  await units.writeContainer(record, []);
  await units.enable(sandbox, id);
  const { exitDir, attempts: path } = layout.container(id);
  await rm(host.hostPath(exitDir), { recursive: true });
  if (attempts !== undefined) await writeFile(host.hostPath(path), attempts);
  return id;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-restorer-'));
  await mkdir(join(folder, 'proc/sys/kernel/random'), { recursive: true });
  await writeFile(join(folder, 'proc/sys/kernel/random/boot_id'), 'now\n');
  host = fakeHost({ root: folder });
  layout = new HostLayout('/state', '/run');
  systemd = new FakeSystemd();
  store = new ContainerStore(host, layout);
  await store.load();
  const context = { stateDir: '/state', runDir: '/run', configDir: '/etc', options: {} };
  const options = parseBackendOptions({ unitDir: '/units' });
  const restore = { ...context, restoreCommand: ['/bin/restore'] };
  units = new PersistentUnits(host, layout, systemd, options, restore, silentLogger);
  sandbox = sandboxRecord({ persist: true, bootId: 'before' });
  remake = async () => {
    sandbox = { ...sandbox, bootId: 'now' };
  };
  const sandboxes = {
    list: () => [sandbox],
    get: () => sandbox,
    verify: async () => sandbox.bootId === 'now',
    restore: async () => {
      await remake();
      return sandbox;
    },
  };
  restorer = Reflect.construct(SystemdSandboxRestorer, [
    ...[host, layout, { run: (_path: string, work: () => Promise<void>) => work() }, sandboxes],
    ...[{ status: async (id: string) => ({ id }) }, new PodSlices(systemd, layout), store],
    ...[{ ensure: async () => undefined }, units, { nowMs: () => 5000 }, silentLogger],
  ]);
});

afterEach(() => rm(folder, { recursive: true }));

describe('a pod that comes back', () => {
  it('is open from the boot on until its containers are let start', async () => {
    const id = await make('a', 0, ALWAYS);
    systemd.calls.length = 0;
    expect(await restorer.isOpen(UID)).toBe(true);
    expect(await restorer.restore(UID)).toEqual({ id: 'sandbox' });
    // As it stays when the restore ends here.
    expect(await restorer.isOpen(UID)).toBe(true);
    expect(await restorer.restore(UID)).toEqual({ id: 'sandbox' });
    expect([released(id), systemd.calls]).toEqual([false, []]);
    await restorer.release('sandbox');
    expect([released(id), systemd.calls]).toEqual([true, [`join ${containerUnitName(id)}`]]);
    expect(await restorer.isOpen(UID)).toBe(false);
    expect(await restorer.restore(UID)).toBeUndefined();
  });

  it('stays open when its sandbox cannot be made', async () => {
    await make('a', 0, ALWAYS);
    remake = () => Promise.reject(new Error('no address'));
    await expect(restorer.restore(UID)).rejects.toThrow('no address');
    expect(await restorer.isOpen(UID)).toBe(true);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['it has no unit', async () => undefined],
    [
      'it was stopped',
      async () => {
        await make('a', 0, ALWAYS);
        sandbox = { ...sandbox, stopping: true };
      },
    ],
    [
      'its sandbox is of this boot, whatever became of it',
      async () => {
        await make('a', 0, ALWAYS);
        sandbox = { ...sandbox, bootId: 'now' };
      },
    ],
  ])('is not open: %s', async (_, given) => {
    await given();
    expect(await restorer.isOpen(UID)).toBe(false);
  });

  it('has the newest container of each name started, and no other one', async () => {
    const newer = await make('b', 1, ALWAYS, lineOf('success'));
    const older = await make('a', 0, ALWAYS, lineOf('success'));
    systemd.calls.length = 0;
    await restorer.restore(UID);
    await restorer.release('sandbox');
    expect([released(older), released(newer)]).toEqual([false, true]);
    expect(systemd.calls).toEqual([`join ${containerUnitName(newer)}`]);
  });

  it.each<[string, boolean, RestartOwner, string | undefined]>([
    ['one that ran on until the host went down', true, ON_FAILURE, lineOf('shutdown')],
    ['one that had done its work', false, ON_FAILURE, lineOf('success')],
    ['one that is to run whatever it did', true, ALWAYS, lineOf('success')],
    ['one that an agent starts', false, { by: 'caller' }, lineOf('shutdown')],
  ])('has %s started: %j', async (_, starts, restart, attempts) => {
    const id = await make('a', 0, restart, attempts);
    await restorer.restore(UID);
    await restorer.release('sandbox');
    expect(released(id)).toBe(starts);
  });

  it('has the attempts that a power failure took end once, and leaves those of this boot', async () => {
    const id = await make('a', 0, ALWAYS);
    const marker = host.hostPath(layout.container(id).startedMarker);
    await writeFile(marker, 'i0\n');
    await restorer.restore(UID);
    await restorer.release('sandbox');
    expect(store.attempts(id)).toMatchObject({ started: undefined, lines: [{ number: 0, exitCode: 255 }] });
    await writeFile(marker, 'i1\n');
    await restorer.release('sandbox');
    expect(store.attempts(id)).toMatchObject({ started: { invocation: 'i1' }, lines: [{ number: 0 }] });
  });
});
