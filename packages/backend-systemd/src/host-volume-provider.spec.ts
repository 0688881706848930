import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Pod, PodwrightError, parsePod, SystemClock, silentLogger } from '@podwright/core';
import type { ImageMounter } from '@podwright/images';
import { FakeMounter } from '@podwright/nsenter';
import { DiskUsage, HostVolumeProvider } from '@podwright/sandbox';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostLayout } from './host-layout.js';
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

const withGroup = (made: Pod, fsGroup: number): Pod => ({
  ...made,
  spec: { ...made.spec, securityContext: { ...made.spec.securityContext, fsGroup } },
});

const memory = (name: string, more = {}) => ({ name, emptyDir: { medium: 'Memory', ...more } });
const disk = (name: string) => ({ name, emptyDir: {} });
const missing = { name: 'missing', hostPath: { path: '/nowhere', type: 'Directory' } };
const below = (path: string) => readdir(join(root, path)).catch(() => undefined);

/** Images that are mounted. */
const imageTargets = new Map<string, string | undefined>();
const images: ImageMounter = {
  mount: async (reference, target) => {
    if (!reference.startsWith('data:'))
      throw new PodwrightError('image-not-found', `There is no ${reference}.`);
    if (imageTargets.has(target)) throw new PodwrightError('already-exists', `${target} has one.`);
    imageTargets.set(target, reference);
    return { target, imageId: 'sha256:1', reference };
  },
  unmount: async (target) => void imageTargets.delete(target),
  list: async () =>
    [...imageTargets].map(([target, reference]) => ({
      ...{ target, imageId: 'sha256:1' },
      ...(reference === undefined ? {} : { reference }),
    })),
};

const provider = (run: NonNullable<Parameters<typeof fakeHost>[0]>['run'] = () => ({})) => {
  const host = fakeHost({ root, run });
  const disk = new DiskUsage(host, new SystemClock());
  return new HostVolumeProvider(
    host,
    mounter,
    images,
    disk,
    new HostLayout('/state', '/run/p'),
    silentLogger,
  );
};
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
    expect((await stat(join(root, paths.get('data') ?? ''))).mode & 0o7777).toBe(0o777);
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

  it('belong to root and to the pod’s fsGroup', async () => {
    await volumes.setUp(withGroup(pod(disk('data'), memory('shm')), 2000));
    const made = await stat(join(root, 'state/volumes', UID, 'data'));
    expect([made.uid, made.gid, made.mode & 0o7777]).toEqual([0, 2000, 0o2777]);
    expect(mounter.actions).toEqual([
      `mount tmpfs tmpfs /run/p/volumes/${UID}/shm mode=2777,nosuid,nodev,gid=2000`,
    ]);
  });
});

describe('emptyDir volumes that are there', () => {
  const shm = `/run/p/volumes/${UID}/shm`;

  it.each<[string, object, object, readonly string[]]>([
    ['grows', { sizeLimit: '1Mi' }, { sizeLimit: '64Mi' }, ['size=67108864']],
    ['shrinks', { sizeLimit: '64Mi' }, { sizeLimit: '1Mi' }, ['size=1048576']],
    ['is limited', {}, { sizeLimit: '1Mi' }, ['size=1048576']],
    ['is no longer limited', { sizeLimit: '1Mi' }, {}, ['size=50%']],
    ['stays', { sizeLimit: '1Mi' }, { sizeLimit: '1024Ki' }, []],
  ])('one in memory %s by a new limit, and stays mounted', async (_what, before, after, sizes) => {
    await volumes.setUp(pod(memory('shm', before)));
    mounter.actions.splice(0);
    for (let times = 0; times < 2; times++) await volumes.setUp(pod(memory('shm', after)));
    const expected = sizes.map((size) => `mount tmpfs tmpfs ${shm} remount,nosuid,nodev,${size}`);
    expect([...new Set(mounter.actions)]).toEqual(expected);
    expect((await mounted()).filter((path) => path === shm)).toHaveLength(1);
  });

  it('one in memory that holds more than its new limit says so, and stays', async () => {
    await volumes.setUp(pod(memory('shm', { sizeLimit: '64Mi' })));
    fails = shm;
    const error = await errorOf(() => volumes.setUp(pod(memory('shm', { sizeLimit: '1Mi' }))));
    expect([error.kind, error.message]).toEqual(['failed-precondition', expect.stringContaining('"shm"')]);
    expect(await mounted()).toContain(shm);
  });

  it('belong to another fsGroup', async () => {
    await volumes.setUp(withGroup(pod(disk('data'), memory('shm')), 2000));
    await volumes.setUp(withGroup(pod(disk('data'), memory('shm')), 3000));
    for (const path of [`state/volumes/${UID}/data`, shm]) {
      const { gid, mode } = await stat(join(root, path));
      expect([gid, mode & 0o2070]).toEqual([3000, 0o2070]);
    }
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

describe('volumes of objects', () => {
  const config = { name: 'config', configMap: { name: 'c' } };
  const files = (text: string, mode = 0o640) => [
    { path: 'a', content: Buffer.from(text), mode },
    { path: 'dir/b', content: Buffer.from(text), mode },
  ];
  const given = (text: string, mode?: number) => ({ files: new Map([['config', files(text, mode)]]) });
  const at = (path: string) => join(root, 'run/p/objects', UID, 'config', path);

  it('are on a tmpfs that only root enters, in files with their modes behind links', async () => {
    expect(await volumes.setUp(pod(config), given('1'))).toEqual(
      new Map([['config', `/run/p/objects/${UID}/config`]]),
    );
    expect(mounter.actions).toEqual([`mount tmpfs tmpfs /run/p/objects/${UID} mode=0700,nosuid,nodev`]);
    expect(await readFile(at('dir/b'), 'utf8')).toBe('1');
    expect((await stat(at('a'))).mode & 0o7777).toBe(0o640);
    expect(await readlink(at('a'))).toBe('..data/a');
    expect(await readlink(at('dir'))).toBe('..data/dir');
  });

  it('get new content at once, and keep their directory when it is the same', async () => {
    await volumes.setUp(pod(config), given('1'));
    const before = await readlink(at('..data'));
    await volumes.update(pod(config), 'config', files('1'));
    expect(await readlink(at('..data'))).toBe(before);
    await volumes.update(pod(config), 'config', [{ path: 'c', content: Buffer.from('2'), mode: 0o600 }]);
    const after = await readlink(at('..data'));
    expect(after).not.toBe(before);
    expect((await readdir(at('.'))).sort()).toEqual([after, '..data', 'c'].sort());
    expect(await readFile(at('c'), 'utf8')).toBe('2');
  });

  it('change also by a mode, and by a setUp that is done again', async () => {
    await volumes.setUp(pod(config), given('1'));
    await volumes.setUp(pod(config), given('1', 0o400));
    expect((await stat(at('a'))).mode & 0o777).toBe(0o400);
    expect(mounter.actions).toHaveLength(1);
  });

  it('are readable for the fsGroup, also after an update', async () => {
    const shared = withGroup(pod(config), 2000);
    await volumes.setUp(shared, given('1', 0o400));
    await volumes.update(shared, 'config', files('2', 0o400));
    const file = await stat(at('dir/b'));
    expect([file.gid, file.mode & 0o777]).toEqual([2000, 0o440]);
    expect((await stat(at('..data/dir'))).mode & 0o7777).toBe(0o2755);
  });

  it('belong to another fsGroup as a whole, and have new files only then', async () => {
    await volumes.setUp(withGroup(pod(config), 2000), given('1'));
    const before = await readlink(at('..data'));
    for (let times = 0; times < 2; times++) {
      await volumes.setUp(withGroup(pod(config), 3000), given('1'));
      await volumes.update(withGroup(pod(config), 3000), 'config', files('1'));
    }
    const after = await readlink(at('..data'));
    expect(after).not.toBe(before);
    expect(
      await Promise.all(['.', '..data/dir', 'dir/b'].map(async (path) => (await stat(at(path))).gid)),
    ).toEqual([3000, 3000, 3000]);
    await volumes.setUp(withGroup(pod(config), 3000), given('1'));
    expect(await readlink(at('..data'))).toBe(after);
    await volumes.setUp(pod(config), given('1'));
    expect([(await stat(at('.'))).gid, (await stat(at('.'))).mode & 0o7777]).toEqual([0, 0o755]);
  });

  it.each(['../a', '/a', 'a/../b', '..data', 'a//b', ''])('refuse the file %j', async (path) => {
    await volumes.setUp(pod(config), given('1'));
    const bad = [{ path, content: Buffer.from('x'), mode: 0o644 }];
    expect((await errorOf(() => volumes.update(pod(config), 'config', bad))).kind).toBe('invalid-argument');
    expect(await readFile(at('a'), 'utf8')).toBe('1');
  });

  it('that are not there cannot be updated, and are removed with the pod', async () => {
    expect((await errorOf(() => volumes.update(pod(config), 'config', files('1')))).kind).toBe('not-found');
    await volumes.setUp(pod(config), given('1'));
    await volumes.tearDown(UID);
    expect(await mounted()).toEqual(['/']);
    expect(await below('run/p/objects')).toEqual([]);
  });

  it('leave nothing when a later volume fails', async () => {
    await errorOf(() => volumes.setUp(pod(config, missing), given('1')));
    expect(await mounted()).toEqual(['/']);
    expect(await below('run/p/objects')).toEqual([]);
  });
});

describe('image volumes', () => {
  afterEach(() => imageTargets.clear());
  const image = (reference = 'data:1') => ({ name: 'img', image: { reference } });

  it('are mounted once, and unmounted with the pod', async () => {
    const path = `/run/p/volumes/${UID}/img`;
    for (let times = 0; times < 2; times++) {
      expect((await volumes.setUp(pod(image()))).get('img')).toBe(path);
      expect([...imageTargets.keys()]).toEqual([path]);
    }
    imageTargets.set(`/run/p/volumes/${UID}0/img`, 'data:1');
    await volumes.tearDown(UID);
    expect([...imageTargets.keys()]).toEqual([`/run/p/volumes/${UID}0/img`]);
  });

  it.each([
    ['are mounted anew when the manifest names another image', 'data:1', 'data:2'],
    ['stay where an older agent did not note which image was asked for', undefined, undefined],
  ])('%s', async (_what, before, after) => {
    const path = `/run/p/volumes/${UID}/img`;
    imageTargets.set(path, before);
    await volumes.setUp(pod(image('data:2')));
    expect([...imageTargets]).toEqual([[path, after]]);
  });

  it('are what they were when the image that the manifest names now is not there', async () => {
    const path = `/run/p/volumes/${UID}/img`;
    imageTargets.set(path, 'data:1');
    await expect(volumes.setUp(pod(image('other:1')))).rejects.toMatchObject({ kind: 'image-not-found' });
    expect([...imageTargets]).toEqual([[path, 'data:1']]);
  });

  it('are unmounted when a later volume fails', async () => {
    await errorOf(() => volumes.setUp(pod(image(), missing)));
    expect(imageTargets.size).toBe(0);
    expect((await errorOf(() => volumes.setUp(pod(image('other'))))).kind).toBe('image-not-found');
  });
});

describe('usage', () => {
  it('is that of emptyDirs and of what is made of objects, by du', async () => {
    const counting = provider(({ command, args, input }) => {
      expect(command).toBe('du');
      const number = args.includes('--inodes') ? 3 : 4096;
      const paths = String(input).split('\0').filter(Boolean);
      return { stdout: Buffer.from(paths.map((path) => `${number}\t${path}\0`).join('')), exitCode: 1 };
    });
    const config = { name: 'config', configMap: { name: 'c' } };
    await counting.setUp(pod(disk('a'), memory('b'), config), { files: new Map([['config', []]]) });
    expect(await counting.usage(UID)).toEqual(
      ['config', 'b', 'a'].map((name) => ({ name, usedBytes: 4096, inodesUsed: 3 })),
    );
    expect(await counting.usage('other')).toEqual([]);
  });
});

describe('hostPath volumes', () => {
  it('are the path itself, and nothing of them is made for the pod', async () => {
    const made = pod({ name: 'v', hostPath: { path: '/new/dir', type: 'DirectoryOrCreate' } });
    expect((await volumes.setUp(made)).get('v')).toBe('/new/dir');
    expect([await below('state/volumes'), await below('new')]).toEqual([undefined, ['dir']]);
  });
});
