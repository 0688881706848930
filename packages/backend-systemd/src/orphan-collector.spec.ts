import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Orphan, PodwrightError, silentLogger } from '@podwright/core';
import { unitProperty } from '@podwright/systemd';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainerStore } from './container-store.js';
import { FakeSystemd } from './fake-systemd.spec-helper.js';
import { FileOrphans } from './file-orphans.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { OrphanCollector } from './orphan-collector.js';
import { OrphanMarksFile } from './orphan-marks-file.js';
import { PodSlices, sliceDescription } from './pod-slices.js';
import { containerRecord, errorOf, fakeHost } from './testing.spec-helper.js';
import { UnitOrphans } from './unit-orphans.js';

const [KNOWN, ORPHAN, MAKING, FOREIGN] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
  string,
];
const AT_ONCE = { graceMs: 0 };

let folder: string;
let layout: HostLayout;
let systemd: FakeSystemd;
let store: ContainerStore;
let nowMs: number;
let found: Orphan[];
let foundFiles: Orphan[];
let podsWithVolumes: Set<string>;
let askedInUse: (id: string) => boolean;

function unit(id: string, stateDir = layout.stateDir): string {
  const name = containerUnitName(id);
  const directory = new HostLayout(stateDir, '/r').container(id).state;
  systemd.set(name, 'active', { properties: [unitProperty('WorkingDirectory', directory)] });
  return name;
}

/** As a new agent makes it. */
function newCollector(): OrphanCollector {
  const volumes = {
    pods: async () => [...podsWithVolumes],
    tearDown: async (uid: string) => void podsWithVolumes.delete(uid),
  };
  const sandboxes = {
    list: () => [{ metadata: { uid: 'known' }, cgroupParent: 'podwright-podknown.slice' }],
    findOrphans: async (isInUse: (id: string) => boolean) => {
      askedInUse = isInUse;
      return found;
    },
    releaseUnused: async () => undefined,
  };
  const slices = new PodSlices(systemd, layout);
  const units = Reflect.construct(UnitOrphans, [fakeHost(), layout, systemd, sandboxes, slices, store]);
  const files = Reflect.construct(FileOrphans, [fakeHost(), layout, store, volumes]);
  const marks = new OrphanMarksFile(fakeHost(), layout, silentLogger);
  const unitFiles = { find: async () => foundFiles };
  const images = { find: async () => [] };
  return Reflect.construct(OrphanCollector, [
    units,
    unitFiles,
    files,
    sandboxes,
    store,
    images,
    marks,
    { nowMs: () => nowMs },
  ]);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-orphans-'));
  layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
  systemd = new FakeSystemd();
  store = new ContainerStore(fakeHost(), layout);
  nowMs = 1_000_000;
  found = [];
  foundFiles = [];
  podsWithVolumes = new Set();
  await store.load();
  await store.add(containerRecord({ id: KNOWN }), { ociConfig: '', launch: '', record: '' });
});

afterEach(() => rm(folder, { recursive: true }));

it('removes units and directories of its own without a record, and nothing else', async () => {
  const orphan = unit(ORPHAN);
  const kept = [unit(KNOWN), unit(FOREIGN, `${layout.stateDir}2`)];
  systemd.set('podwright-agent.service', 'active');
  const half = join(layout.containersDir, `.preparing-${MAKING}`);
  await mkdir(half);
  const own = [
    layout.container(ORPHAN).run,
    join(layout.runtimeRoot, ORPHAN),
    layout.container(ORPHAN).rootfs,
  ];
  for (const path of [...own, join(layout.runtimeRoot, 'other')]) await mkdir(path, { recursive: true });
  const { removed, marked, errors } = await newCollector().collect(AT_ONCE);
  expect(removed).toEqual([`unit ${orphan}`, ...[...own, half].map((path) => `directory ${path}`)]);
  expect([...errors, ...marked]).toEqual([]);
  expect([...systemd.units.keys()]).toEqual([...kept, 'podwright-agent.service']);
  expect(await readdir(layout.containersRunDir)).toEqual([KNOWN]);
  expect(await readdir(layout.runtimeRoot)).toEqual(['other']);
  expect(await readdir(layout.containersDir)).toEqual([KNOWN]);
});

describe('the grace', () => {
  it('is counted from the first look, by whichever agent', async () => {
    const name = unit(ORPHAN);
    expect(await newCollector().collect()).toEqual({ removed: [], marked: [`unit ${name}`], errors: [] });
    nowMs += 59_999;
    expect((await newCollector().collect()).marked).toEqual([`unit ${name}`]);
    nowMs += 1;
    expect(await newCollector().collect()).toEqual({ removed: [`unit ${name}`], marked: [], errors: [] });
    expect([...systemd.units.keys()]).toEqual([]);
  });

  it('begins anew for what had an owner meanwhile', async () => {
    const name = unit(ORPHAN);
    await newCollector().collect();
    systemd.units.clear();
    nowMs += 60_000;
    await newCollector().collect();
    unit(ORPHAN);
    expect((await newCollector().collect()).marked).toEqual([`unit ${name}`]);
  });

  it('begins anew when the marks cannot be read', async () => {
    const name = unit(ORPHAN);
    await newCollector().collect();
    await writeFile(join(layout.stateDir, 'orphans.json'), 'broken');
    nowMs += 60_000;
    expect((await newCollector().collect()).marked).toEqual([`unit ${name}`]);
  });

  it('is neither begun nor ended by a dry run', async () => {
    const name = unit(ORPHAN);
    const marks = () => readFile(join(layout.stateDir, 'orphans.json'), 'utf8');
    expect((await newCollector().collect({ dryRun: true })).marked).toEqual([`unit ${name}`]);
    await expect(marks()).rejects.toThrow(/ENOENT/);
    expect((await newCollector().collect({ dryRun: true, graceMs: 0 })).removed).toEqual([`unit ${name}`]);
    expect([...systemd.units.keys()]).toEqual([name]);
    await newCollector().collect();
    const before = await marks();
    nowMs += 60_000;
    await newCollector().collect({ dryRun: true });
    expect(await marks()).toBe(before);
  });
});

it('spares what has got an owner between the look and the removal', async () => {
  const [first, second] = [unit(MAKING), unit(ORPHAN)];
  systemd.onStop = async () => {
    await store.add(containerRecord({ id: ORPHAN }), { ociConfig: '', launch: '', record: '' });
  };
  await newCollector().collect(AT_ONCE);
  expect([...systemd.units.keys()]).toEqual([second]);
  expect(first).not.toBe(second);
});

it.each([
  ['its own, with limits', { Transient: true, Description: true }, true],
  ['one of another agent, with limits', { Transient: true }, false],
  ['one that systemd made by itself', {}, true],
  ['one that an administrator made', { FragmentPath: '/etc/systemd/system/x.slice' }, false],
])('of slices without a pod and without a unit: %s', async (_what, properties, goes) => {
  const description = 'Description' in properties ? sliceDescription(layout.stateDir) : 'somebody else’s';
  systemd.unitValues = async () => ({ Transient: false, ...properties, Description: description });
  systemd.set('podwright-podgone.slice', 'active');
  systemd.set('podwright-podknown.slice', 'active');
  const { removed } = await newCollector().collect(AT_ONCE);
  expect(removed).toEqual(goes ? ['slice podwright-podgone.slice'] : []);
  expect([...systemd.units.keys()]).toContain('podwright-podknown.slice');
});

it('leaves a slice in which somebody’s unit runs', async () => {
  systemd.unitValues = async () => ({ Transient: false });
  systemd.set('podwright-podgone.slice', 'active');
  const name = unit(FOREIGN, '/elsewhere');
  systemd.set(name, 'active', { properties: [unitProperty('Slice', 'podwright-podgone.slice')] });
  expect(await newCollector().collect(AT_ONCE)).toEqual({ removed: [], marked: [], errors: [] });
  expect([...systemd.units.keys()]).toContain('podwright-podgone.slice');
});

it('removes a slice after its own units in it; when one of those stays, it tells so', async () => {
  systemd.unitValues = async () => ({ Transient: false });
  let isBroken = true;
  systemd.onStop = async (name) => {
    if (isBroken && name.endsWith('.service')) throw new PodwrightError('unavailable', 'No bus.');
  };
  systemd.set('podwright-podgone.slice', 'active');
  const name = unit(ORPHAN);
  const directory = layout.container(ORPHAN).state;
  const properties = [
    unitProperty('WorkingDirectory', directory),
    unitProperty('Slice', 'podwright-podgone.slice'),
  ];
  systemd.set(name, 'active', { properties });
  const { removed, errors } = await newCollector().collect(AT_ONCE);
  expect(removed).toEqual([]);
  expect(errors).toMatchObject([{ kind: 'unavailable' }, { kind: 'in-use' }]);
  isBroken = false;
  systemd.set(name, 'active', { properties });
  expect((await newCollector().collect(AT_ONCE)).removed).toEqual([
    `unit ${name}`,
    'slice podwright-podgone.slice',
  ]);
});

it('removes unit files after the units', async () => {
  const name = unit(ORPHAN);
  foundFiles = [{ what: 'unit file /x', remove: async () => undefined }];
  expect((await newCollector().collect(AT_ONCE)).removed).toEqual([`unit ${name}`, 'unit file /x']);
});

it('removes volumes of pods that nobody knows, and none when it is not told who knows', async () => {
  podsWithVolumes = new Set(['known', 'gone']);
  expect((await newCollector().collect(AT_ONCE)).removed).toEqual([]);
  const isKnownPod = async (uid: string) => uid === 'known';
  expect((await newCollector().collect({ ...AT_ONCE, isKnownPod })).removed).toEqual(['volumes of pod gone']);
  expect([...podsWithVolumes]).toEqual(['known']);
});

it('has sandboxes in which there are containers spared', async () => {
  await newCollector().collect(AT_ONCE);
  const { sandboxId } = containerRecord();
  expect([askedInUse(sandboxId), askedInUse('another')]).toEqual([true, false]);
});

it('keeps the unit of a container whose record cannot be read', async () => {
  const name = unit(ORPHAN);
  await mkdir(layout.container(ORPHAN).state);
  await writeFile(layout.container(ORPHAN).record, 'broken');
  await store.load();
  await newCollector().collect(AT_ONCE);
  expect([...systemd.units.keys()]).toEqual([name]);
});

it('touches no container when it cannot tell which are in use, and goes on with the rest', async () => {
  const name = unit(ORPHAN);
  const gone: string[] = [];
  found = [{ what: 'namespace /x', remove: async () => void gone.push('x') }];
  await rm(layout.containersDir, { recursive: true });
  await writeFile(layout.containersDir, 'no directory');
  const { removed, errors } = await newCollector().collect(AT_ONCE);
  expect([...systemd.units.keys()]).toEqual([name]);
  expect(removed).toEqual(['namespace /x']);
  expect(gone).toEqual(['x']);
  expect(errors.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^Which units have no owner cannot be told: ENOTDIR/),
    expect.stringMatching(/^Which directories of containers have no owner cannot be told: ENOTDIR/),
  ]);
});

it('tells of what it cannot remove, goes on, and does not spare it the next time', async () => {
  const [first, second] = [unit(ORPHAN), unit(MAKING)];
  let isBroken = true;
  systemd.onStop = async (name) => {
    if (name === first && isBroken) throw new PodwrightError('unavailable', 'No bus.');
  };
  const { removed, errors } = await newCollector().collect(AT_ONCE);
  expect(removed).toEqual([`unit ${second}`]);
  expect(errors).toMatchObject([
    { kind: 'unavailable', message: `unit ${first} could not be removed: No bus.` },
  ]);
  isBroken = false;
  nowMs += 60_000;
  expect((await newCollector().collect()).removed).toEqual([`unit ${first}`]);
});

it('is content with a unit that goes by itself', async () => {
  const name = unit(ORPHAN);
  systemd.onStop = async () => {
    throw new PodwrightError('not-found', 'Gone.');
  };
  expect(await newCollector().collect(AT_ONCE)).toMatchObject({ removed: [`unit ${name}`] });
});

it('stops when its caller does', async () => {
  const name = unit(ORPHAN);
  const cancelled = () => newCollector().collect({ ...AT_ONCE, signal: AbortSignal.abort() });
  expect((await errorOf(cancelled)).kind).toBe('cancelled');
  expect([...systemd.units.keys()]).toEqual([name]);
  await access(layout.containersDir);
});
