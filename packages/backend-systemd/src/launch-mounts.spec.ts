import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launchMounts, prepareMounts } from './launch-mounts.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-launch-'));
  for (const path of ['volume/dir/deep', 'outside', 'rootfs/data/sub', 'rootfs/run']) {
    await mkdir(join(root, path), { recursive: true });
  }
  await writeFile(join(root, 'volume/dir/file'), 'of the volume');
  await writeFile(join(root, 'outside/secret'), 'secret');
  await writeFile(join(root, 'rootfs/data/sub/seed'), 'of the image');
});

afterEach(() => rm(root, { recursive: true }));

const paths = () => ({
  stage: join(root, 'stage'),
  volumes: join(root, 'volumes'),
  rootfs: join(root, 'rootfs'),
});

describe('launchMounts', () => {
  const where = { stage: '/s', volumes: '/v' };

  it('leaves plain mounts as they are', () => {
    const mounts = [{ hostPath: '/h', containerPath: '/c', readOnly: true }];
    expect(launchMounts(mounts, undefined, where)).toEqual({
      mounts,
      subPaths: [],
      imageVolumes: [],
    });
  });

  it('binds parts of volumes from where they are prepared, and volumes of the image that no mount covers', () => {
    const asked = [
      { hostPath: '/h', containerPath: '/a', subPath: 'x/y', readOnly: true },
      { hostPath: '/h', containerPath: '/data', subPath: '' },
    ];
    expect(launchMounts(asked, { Volumes: { '/data/': {}, '/other': {} } }, where)).toEqual({
      mounts: [
        { hostPath: '/s/0', containerPath: '/a', readOnly: true },
        { hostPath: '/h', containerPath: '/data' },
        { hostPath: '/v/0', containerPath: '/other' },
      ],
      subPaths: [{ volume: '/h', subPath: 'x/y', target: '/s/0' }],
      imageVolumes: [{ path: '/other', directory: '/v/0' }],
    });
  });
});

/** Runs the script without mounting: what would be bound is said, by where it is. */
async function prepare(subPath: string | undefined, imagePath?: string): Promise<string> {
  const asked =
    subPath === undefined ? [] : [{ hostPath: join(root, 'volume'), containerPath: '/c', subPath }];
  const image = imagePath === undefined ? undefined : { Volumes: { [imagePath]: {} } };
  const script = [
    'set -u',
    'fail() { printf "failed %s\\n" "$1"; exit 1; }',
    // The result is asked for by the check of a bound file as well.
    'mount() { case $2 in tmpfs) ;; *) printf "bound %s %s\\n" "$(readlink /proc/self/cwd)" "$3" >&9 ;; esac; }',
    'umount() { :; }',
    'exec 9>&1',
    prepareMounts(launchMounts(asked, image, paths()), paths()),
  ].join('\n');
  const { stdout } = await promisify(execFile)('sh', ['-c', script]).catch(
    (error: { stdout: string }) => error,
  );
  return stdout.replaceAll(root, '').trim();
}

describe('a part of a volume', () => {
  it.each([
    ['dir', 'bound /volume/dir .'],
    ['dir/deep', 'bound /volume/dir/deep .'],
    ['./dir//deep/', 'bound /volume/dir/deep .'],
  ])('%s', async (subPath, said) => {
    expect(await prepare(subPath)).toBe(said);
  });

  it('is made when it is missing, with the mode of the volume', async () => {
    await promisify(execFile)('chmod', ['2770', join(root, 'volume')]);
    expect(await prepare('new/deeper')).toBe('bound /volume/new/deeper .');
    expect((await stat(join(root, 'volume/new'))).mode & 0o7777).toBe(0o2770);
  });

  it('may lie behind links that stay in the volume', async () => {
    await symlink('dir/deep', join(root, 'volume/link'));
    await symlink('../link', join(root, 'volume/dir/back'));
    expect(await prepare('dir/back')).toBe('bound /volume/dir/deep .');
  });

  it.each([
    ['dir/deep', 'link/new', '/volume/dir/deep/new'],
    ['dir/deep/..', 'link/new/deeper', '/volume/dir/new/deeper'],
  ])('is made behind a link to %s: %s', async (to, subPath, expected) => {
    await symlink(to, join(root, 'volume/link'));
    await promisify(execFile)('chmod', ['750', join(root, 'volume')]);
    expect(await prepare(subPath)).toBe(`bound ${expected} .`);
    expect((await stat(join(root, expected))).mode & 0o7777).toBe(0o750);
  });

  it.each(['nowhere', 'nowhere/deeper', 'dir/nowhere'])(
    'is not made where a link itself leads: %s',
    async (to) => {
      await symlink(to, join(root, 'volume/link'));
      expect(await prepare('link/new')).toContain('leads to nothing');
      expect([await readdir(join(root, 'volume')), await readdir(join(root, 'volume/dir'))]).toEqual([
        ['dir', 'link'],
        ['deep', 'file'],
      ]);
    },
  );

  it.each([
    ['/outside', 'link', 'leads out of the volume'],
    ['../outside', 'link', 'leads out of the volume'],
    ['dir/../../outside', 'link/x', 'leads out of the volume'],
    ['..', 'link/outside', 'leads out of the volume'],
    ['link', 'link', 'more than 40 links'],
    ['nowhere', 'link', 'leads to nothing'],
    ['dir/file', 'link/x', 'file is no directory'],
  ])('a link to %s: %s is refused', async (to, subPath, said) => {
    await symlink(to, join(root, 'volume/link'));
    expect(await prepare(subPath)).toContain(said);
    expect(await readdir(join(root, 'outside'))).toEqual(['secret']);
  });

  it('is compared with what was bound when it is a file', async () => {
    // Nothing is mounted here, so that what was bound is never the file.
    expect(await prepare('dir/file')).toContain('bound /volume/dir ./file');
    expect(await prepare('dir/file')).toContain('changes all the time');
  });
});

describe('a volume of the image', () => {
  const content = () => readFile(join(root, 'volumes/0/seed'), 'utf8');

  it('begins with what the image has there, at every start', async () => {
    await prepare(undefined, '/data/sub');
    expect(await content()).toBe('of the image');
    await writeFile(join(root, 'volumes/0/seed'), 'changed');
    await writeFile(join(root, 'volumes/0/more'), '');
    await prepare(undefined, '/data/sub');
    expect(await content()).toBe('of the image');
    expect(await readdir(join(root, 'volumes/0'))).toEqual(['seed']);
  });

  it.each([
    ['/data', '/var/data/sub'],
    ['../../../../data', '/var/data/sub'],
    ['/../../data', '/var/data/sub'],
  ])('may lie behind a link to %s, which is one of the image', async (to, path) => {
    await mkdir(join(root, 'rootfs/var'));
    await symlink(to, join(root, 'rootfs/var/data'));
    expect(await prepare(undefined, path)).toBe('');
    expect(await content()).toBe('of the image');
  });

  it('has its owner and mode', async () => {
    await promisify(execFile)('sh', [
      '-c',
      `chmod 1750 ${root}/rootfs/data/sub && chown 5:6 ${root}/rootfs/data/sub`,
    ]);
    await prepare(undefined, '/data/sub');
    const { mode, uid, gid } = await stat(join(root, 'volumes/0'));
    expect([mode & 0o7777, uid, gid]).toEqual([0o1750, 5, 6]);
  });

  it('begins empty when the image has nothing there', async () => {
    expect(await prepare(undefined, '/not/there')).toBe('');
    expect(await readdir(join(root, 'volumes/0'))).toEqual([]);
  });
});
