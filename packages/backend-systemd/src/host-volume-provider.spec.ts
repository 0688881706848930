import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Pod, PodwrightError, parsePod, silentLogger } from '@podwright/core';
import { FakeMounter } from '@podwright/nsenter';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { HostLayout } from './host-layout.js';
import { HostVolumeProvider } from './host-volume-provider.js';
import { errorOf, fakeHost } from './testing.spec-helper.js';

const UID = 'a1';

let root: string;
let mounter: FakeMounter;
let volumes: HostVolumeProvider;
/** A path at which nothing can be mounted or unmounted. */
let fails: string | undefined;

function pod(...specs: readonly object[]): Pod {
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', uid: UID },
    spec: { containers: [{ name: 'c', image: 'i' }], volumes: specs },
  });
}

const memory = (name: string, more = {}) => ({ name, emptyDir: { medium: 'Memory', ...more } });
const disk = (name: string) => ({ name, emptyDir: {} });
const missing = { name: 'missing', hostPath: { path: '/nowhere', type: 'Directory' } };
const below = (path: string) => readdir(join(root, path)).catch(() => undefined);

const provider = () =>
  new HostVolumeProvider(fakeHost({ root }), mounter, new HostLayout('/state', '/run/p'), silentLogger);
const mounted = async () => (await mounter.list()).map(({ path }) => path);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-volumes-'));
  fails = undefined;
  mounter = new FakeMounter({
    before: (action) => {
      if (fails !== undefined && action.split(' ').includes(fails)) {
        throw new PodwrightError('command-failed', `${action} failed.`);
      }
    },
  });
  volumes = provider();
});

afterEach(() => rm(root, { recursive: true }));

describe('emptyDir volumes', () => {
  it('are directories for everybody, on disk or in memory', async () => {
    const paths = await volumes.setUp(pod(disk('data'), memory('shm', { sizeLimit: '1Mi' })));
    expect(Object.fromEntries(paths)).toEqual({
      data: `/state/volumes/${UID}/data`,
      shm: `/run/p/volumes/${UID}/shm`,
    });
    for (const path of paths.values()) expect((await stat(join(root, path))).mode & 0o7777).toBe(0o777);
    expect(mounter.actions).toEqual([
      `mount tmpfs tmpfs /run/p/volumes/${UID}/shm mode=0777,nosuid,nodev,size=1048576`,
    ]);
  });

  it('are the same the next time, with their content and mode', async () => {
    const first = await volumes.setUp(pod(disk('data'), memory('shm')));
    await writeFile(join(root, 'state/volumes', UID, 'data/file'), '');
    await chmod(join(root, 'state/volumes', UID, 'data'), 0o700);
    expect(await volumes.setUp(pod(disk('data'), memory('shm')))).toEqual(first);
    expect(mounter.actions).toHaveLength(1);
    expect(await below(`state/volumes/${UID}/data`)).toEqual(['file']);
    expect((await stat(join(root, 'state/volumes', UID, 'data'))).mode & 0o777).toBe(0o700);
  });

  it('with a size limit on disk are refused, because nothing would enforce it', async () => {
    const error = await errorOf(() => volumes.setUp(pod({ name: 'd', emptyDir: { sizeLimit: '1Mi' } })));
    expect(error.kind).toBe('unsupported');
  });
});

describe('setUp that fails', () => {
  it('leaves nothing of what it made', async () => {
    expect((await errorOf(() => volumes.setUp(pod(disk('a'), memory('b'), missing)))).kind).toBe('not-found');
    expect(await mounted()).toEqual(['/']);
    expect([await below('state/volumes'), await below('run/p/volumes')]).toEqual([[], []]);
  });

  it('keeps what the pod had before, and what other pods have', async () => {
    await volumes.setUp(pod(disk('a'), memory('b')));
    await writeFile(join(root, 'state/volumes', UID, 'a/precious'), '');
    await mkdir(join(root, 'state/volumes/other/x'), { recursive: true });
    await errorOf(() => volumes.setUp(pod(disk('a'), memory('b'), disk('new'), missing)));
    expect(await below(`state/volumes/${UID}`)).toEqual(['a']);
    expect(await below(`state/volumes/${UID}/a`)).toEqual(['precious']);
    expect(await mounted()).toContain(`/run/p/volumes/${UID}/b`);
    expect(await below('state/volumes/other')).toEqual(['x']);
  });

  it('removes the directory of a tmpfs that could not be mounted', async () => {
    fails = `/run/p/volumes/${UID}/b`;
    expect((await errorOf(() => volumes.setUp(pod(memory('b'))))).kind).toBe('command-failed');
    expect(await below('run/p/volumes')).toEqual([]);
  });

  it('makes nothing for a caller that has gone', async () => {
    const error = await errorOf(() => volumes.setUp(pod(disk('a')), { signal: AbortSignal.abort() }));
    expect(error.kind).toBe('cancelled');
    expect(await below('state/volumes')).toBeUndefined();
  });
});

describe('tearDown', () => {
  beforeEach(() => volumes.setUp(pod(disk('a'), memory('b'))));

  it('removes all, also for an agent that did not make it, and may be done again', async () => {
    const next = provider();
    await next.tearDown(UID);
    await next.tearDown(UID);
    expect(await mounted()).toEqual(['/']);
    expect([await below('state/volumes'), await below('run/p/volumes')]).toEqual([[], []]);
  });

  it('first unmounts what a container mounted in them, the innermost first', async () => {
    mounter.add(`/state/volumes/${UID}/a/nfs`);
    mounter.add(`/state/volumes/${UID}/a/nfs/deep`);
    mounter.add(`/state/volumes/${UID}0`);
    mounter.actions.splice(0);
    await volumes.tearDown(UID);
    expect(mounter.actions).toEqual([
      `unmount /run/p/volumes/${UID}/b`,
      `unmount /state/volumes/${UID}/a/nfs/deep`,
      `unmount /state/volumes/${UID}/a/nfs`,
    ]);
    expect(await mounted()).toEqual(['/', `/state/volumes/${UID}0`]);
  });

  it('removes nothing below what cannot be unmounted', async () => {
    fails = `/state/volumes/${UID}/a/nfs`;
    mounter.add(fails);
    await mkdir(join(root, fails));
    await writeFile(join(root, fails, 'precious'), '');
    expect((await errorOf(() => volumes.tearDown(UID))).kind).toBe('command-failed');
    expect(await below(fails.slice(1))).toEqual(['precious']);
  });
});

describe('hostPath volumes', () => {
  beforeEach(async () => {
    await mkdir(join(root, 'dir'));
    await writeFile(join(root, 'file'), 'content');
    await symlink('dir', join(root, 'link'));
    await symlink('/dev/null', join(root, 'null'));
    const server = createServer().listen(join(root, 'socket'));
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
  });

  const of = (path: string, type?: string) =>
    pod({ name: 'v', hostPath: { path, ...(type === undefined ? {} : { type }) } });

  it.each<[string, string | undefined, string]>([
    ['/dir', undefined, 'fine'],
    ['/file', '', 'fine'],
    ['/nowhere', undefined, 'not-found'],
    ['/dir', 'Directory', 'fine'],
    ['/link', 'Directory', 'fine'],
    ['/file', 'Directory', 'failed-precondition'],
    ['/nowhere', 'Directory', 'not-found'],
    ['/new/dir', 'DirectoryOrCreate', 'fine'],
    ['/dir', 'DirectoryOrCreate', 'fine'],
    ['/file', 'DirectoryOrCreate', 'failed-precondition'],
    ['/file/x', 'DirectoryOrCreate', 'failed-precondition'],
    ['/file', 'File', 'fine'],
    ['/dir', 'File', 'failed-precondition'],
    ['/newfile', 'FileOrCreate', 'fine'],
    ['/file', 'FileOrCreate', 'fine'],
    ['/dir', 'FileOrCreate', 'failed-precondition'],
    ['/no/such/file', 'FileOrCreate', 'not-found'],
    ['/socket', 'Socket', 'fine'],
    ['/file', 'Socket', 'failed-precondition'],
    ['/null', 'CharDevice', 'fine'],
    ['/file', 'CharDevice', 'failed-precondition'],
    ['/file', 'BlockDevice', 'failed-precondition'],
  ])('%s of type %s: %s', async (path, type, expected) => {
    if (expected !== 'fine') {
      expect((await errorOf(() => volumes.setUp(of(path, type)))).kind).toBe(expected);
      return;
    }
    expect((await volumes.setUp(of(path, type))).get('v')).toBe(path);
    expect(await below('state/volumes')).toBeUndefined();
    await stat(join(root, path));
  });
});
