import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { unitProperty } from '@podwright/systemd';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ContainerStore } from './container-store.js';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { OrphanCollector } from './orphan-collector.js';
import { containerRecord, errorOf, fakeHost } from './testing.spec-helper.js';

const [KNOWN, ORPHAN, MAKING, FOREIGN] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
  string,
];

let folder: string;
let layout: HostLayout;
let systemd: FakeSystemd;
let store: ContainerStore;
let collector: OrphanCollector;

function unit(id: string, stateDir = layout.stateDir): string {
  const name = containerUnitName(id);
  const directory = new HostLayout(stateDir, '/r').container(id).state;
  systemd.set(name, 'active', { properties: [unitProperty('WorkingDirectory', directory)] });
  return name;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-orphans-'));
  layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
  systemd = new FakeSystemd();
  store = new ContainerStore(fakeHost(), layout);
  await store.load();
  await store.add(containerRecord({ id: KNOWN }), { ociConfig: '', launch: '', record: '' });
  collector = Reflect.construct(OrphanCollector, [
    ...[fakeHost(), layout, systemd],
    { removeOrphans: async () => ({ removed: ['namespace /x'], errors: [new Error('stuck')] }) },
    store,
  ]);
});

afterEach(() => rm(folder, { recursive: true }));

it('removes units and run directories of its own without a record, and nothing else', async () => {
  const orphan = unit(ORPHAN);
  const kept = [unit(KNOWN), unit(MAKING), unit(FOREIGN, `${layout.stateDir}2`)];
  systemd.set('podwright-agent.service', 'active');
  await mkdir(join(layout.containersDir, `.preparing-${MAKING}`));
  for (const id of [ORPHAN, MAKING]) await mkdir(layout.container(id).run);
  const { removed, errors } = await collector.collect();
  expect(removed).toEqual([`unit ${orphan}`, `directory ${layout.container(ORPHAN).run}`, 'namespace /x']);
  expect(errors.map(({ message }) => message)).toEqual(['stuck']);
  expect([...systemd.units.keys()]).toEqual([...kept, 'podwright-agent.service']);
  expect(await readdir(layout.containersRunDir)).toEqual([KNOWN, MAKING]);
});

it('keeps the unit of a container whose record cannot be read', async () => {
  const name = unit(ORPHAN);
  await mkdir(layout.container(ORPHAN).state);
  await writeFile(layout.container(ORPHAN).record, 'broken');
  await store.load();
  await collector.collect();
  expect([...systemd.units.keys()]).toEqual([name]);
});

it('touches nothing when it cannot tell what is in use', async () => {
  const name = unit(ORPHAN);
  await rm(layout.containersDir, { recursive: true });
  await writeFile(layout.containersDir, 'no directory');
  await expect(collector.collect()).rejects.toThrow(/ENOTDIR/);
  expect([...systemd.units.keys()]).toEqual([name]);
});

it('tells of what it cannot remove, and goes on', async () => {
  const [first, second] = [unit(ORPHAN), unit(FOREIGN)];
  systemd.onStop = async (name) => {
    if (name === first) throw new PodwrightError('unavailable', 'No bus.');
  };
  const { removed, errors } = await collector.collect();
  expect(removed).toContain(`unit ${second}`);
  expect(errors[0]).toMatchObject({ message: `unit ${first} could not be removed: No bus.` });
});

it('is content with a unit that goes by itself', async () => {
  const name = unit(ORPHAN);
  systemd.onStop = async () => {
    throw new PodwrightError('not-found', 'Gone.');
  };
  expect(await collector.collect()).toMatchObject({ removed: [`unit ${name}`, 'namespace /x'] });
});

it('stops when its caller does', async () => {
  const name = unit(ORPHAN);
  expect((await errorOf(() => collector.collect({ signal: AbortSignal.abort() }))).kind).toBe('cancelled');
  expect([...systemd.units.keys()]).toEqual([name]);
});
