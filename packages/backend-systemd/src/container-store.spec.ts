import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContainerStore } from './container-store.js';
import { HostLayout } from './host-layout.js';
import { CONTAINER_ID, containerConfig, containerRecord, errorOf, fakeHost } from './testing.spec-helper.js';

let folder: string;
let layout: HostLayout;
let store: ContainerStore;

const FILES = { ociConfig: '{"secret":1}', launch: 'launch', record: 'record', stop: 'stop' };
const paths = () => layout.container(CONTAINER_ID);
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const names = (path: string) => readdir(path).catch(() => []);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-store-'));
  layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
  store = new ContainerStore(fakeHost(), layout);
  await store.load();
});

afterEach(() => rm(folder, { recursive: true }));

describe('add', () => {
  it('makes all files, for nobody else to read but the root directory of the container', async () => {
    await store.add(containerRecord(), FILES);
    expect(await readFile(paths().ociConfig, 'utf8')).toBe(FILES.ociConfig);
    expect(await readFile(paths().stopScript, 'utf8')).toBe('stop');
    const { state, bundle, ociConfig, record, launchScript, recordScript, stopScript, upper, work } = paths();
    for (const path of [state, bundle, work]) expect(await modeOf(path)).toBe('700');
    for (const path of [ociConfig, record, launchScript, recordScript, stopScript]) {
      expect(await modeOf(path)).toBe('600');
    }
    expect(await modeOf(upper)).toBe('755');
    expect(await names(paths().exitDir)).toEqual([]);
    expect(store.require(CONTAINER_ID)).toEqual(containerRecord());
  });

  it('is found again by the next agent', async () => {
    await store.add(
      containerRecord({ config: containerConfig({ env: [{ name: 'A', value: 'b' }] }) }),
      FILES,
    );
    const next = new ContainerStore(fakeHost(), layout);
    expect(await next.load()).toEqual([]);
    expect(next.get(CONTAINER_ID)).toMatchObject(containerRecord());
  });

  it.each<[string, () => Promise<unknown>]>([
    ['the run directory', () => writeFile(join(folder, 'run'), '')],
    [
      'a directory',
      () =>
        mkdir(layout.containersDir).then(
          () => undefined,
          () => writeFile(join(layout.containersDir, `.preparing-${CONTAINER_ID}`), ''),
        ),
    ],
    ['the rename', () => mkdir(join(paths().state, 'in the way'), { recursive: true })],
  ])('leaves nothing when %s fails half-way', async (_what, obstruct) => {
    await obstruct();
    expect((await errorOf(() => store.add(containerRecord(), FILES))).kind).toBe('internal');
    expect(await names(layout.containersDir)).toEqual([]);
    expect(await names(layout.containersRunDir)).toEqual([]);
    expect(store.get(CONTAINER_ID)).toBeUndefined();
  });
});

describe('remove', () => {
  it('leaves nothing, and may be done again', async () => {
    await store.add(containerRecord(), FILES);
    await mkdir(paths().rootfs, { recursive: true });
    await store.remove(CONTAINER_ID);
    await store.remove(CONTAINER_ID);
    expect([await names(layout.containersDir), await names(layout.containersRunDir)]).toEqual([[], []]);
    expect(await names(layout.rootfsDir)).toEqual([]);
    expect(store.list()).toEqual([]);
  });

  it('does not empty a root file system that is mounted', async () => {
    await store.add(containerRecord(), FILES);
    await mkdir(join(paths().rootfs, 'precious'), { recursive: true });
    await expect(store.remove(CONTAINER_ID)).rejects.toThrow(/ENOTEMPTY/);
    expect(await names(paths().rootfs)).toEqual(['precious']);
    expect(store.get(CONTAINER_ID)).toBeDefined();
  });
});

describe('load', () => {
  it('removes what an agent that ended left half-made and half-removed; one that observes does not', async () => {
    for (const name of ['.preparing-a', '.removing-b']) {
      await mkdir(join(layout.containersDir, name, 'bundle'), { recursive: true });
    }
    const observer = new ContainerStore(fakeHost(), layout);
    await observer.load({ observe: true });
    expect(await names(layout.containersDir)).toHaveLength(2);
    expect([...(await observer.idsInUse())]).toEqual(['a', 'b']);
    expect(await observer.directories()).toEqual([]);
    await store.load();
    expect(await names(layout.containersDir)).toEqual([]);
  });

  it('tells of records that it cannot read, and leaves them', async () => {
    await store.add(containerRecord(), FILES);
    const bad = layout.container('bad');
    await mkdir(bad.state);
    await writeFile(bad.record, 'no json');
    await mkdir(layout.container('empty').state);
    const errors = await store.load();
    expect(errors.map((error) => error.message)).toEqual([
      expect.stringContaining(bad.record),
      expect.stringContaining('/empty/'),
    ]);
    expect(store.list()).toHaveLength(1);
    expect(await store.directories()).toHaveLength(3);
  });

  it('makes nothing when it observes, also when there is no directory', async () => {
    await rm(dirname(layout.containersDir), { recursive: true });
    expect(await store.load({ observe: true })).toEqual([]);
    expect(await names(folder)).toEqual([]);
  });
});

it('lists the newest first, by all parts of a filter', async () => {
  const ids = ['1', '2', '3'].map((digit) => digit.repeat(64));
  for (const [index, id] of ids.entries()) {
    const labels = { even: String(index % 2 === 0), all: 'yes' };
    await store.add(
      containerRecord({
        ...{ id, createdAtMs: index, sandboxId: `s${index % 2}`, podUid: `p${index % 2}` },
        config: containerConfig({ labels }),
      }),
      FILES,
    );
  }
  const found = (filter: Parameters<typeof store.list>[0]) =>
    store.list(filter).map(({ createdAtMs }) => createdAtMs);
  expect(found({})).toEqual([2, 1, 0]);
  expect(found({ id: '2'.repeat(64) })).toEqual([1]);
  expect(found({ sandboxId: 's0' })).toEqual([2, 0]);
  expect(found({ podUid: 'p1' })).toEqual([1]);
  expect(found({ labels: { even: 'true', all: 'yes' } })).toEqual([2, 0]);
  expect(found({ labels: { even: 'true', all: 'no' } })).toEqual([]);
  expect(found({ podUid: 'p1', labels: { even: 'true' } })).toEqual([]);
});

describe('attempts', () => {
  const LINE = '0\ti1\t1.0\t2.0\t0\tsuccess\texited\t0\t0\t0\t-\t-\n';

  beforeEach(() => store.add(containerRecord(), FILES));

  it('are none before the first start', async () => {
    expect(store.attempts(CONTAINER_ID)).toEqual({ lines: [], started: undefined, stopping: false });
  });

  it('are those that ended, and the one that runs', async () => {
    await writeFile(paths().attempts, LINE);
    await writeFile(paths().startedMarker, 'i2\n');
    await utimes(paths().startedMarker, 5, 5.25);
    const { lines, started } = store.attempts(CONTAINER_ID);
    expect(lines).toMatchObject([{ number: 0, invocation: 'i1' }]);
    expect(started).toEqual({ invocation: 'i2', atMs: 5250 });
  });

  it.each([
    ['whose end is written already', 'i1\n'],
    ['whose marker has no content yet', ''],
  ])('do not run twice: %s', async (_what, marker) => {
    await writeFile(paths().attempts, LINE);
    await writeFile(paths().startedMarker, marker);
    expect(store.attempts(CONTAINER_ID).started).toBeUndefined();
  });

  it('know of a stop under way', async () => {
    await store.markStopping(CONTAINER_ID, true);
    expect(store.attempts(CONTAINER_ID).stopping).toBe(true);
    await store.markStopping(CONTAINER_ID, false);
    await store.markStopping(CONTAINER_ID, false);
    expect(store.attempts(CONTAINER_ID).stopping).toBe(false);
  });
});
