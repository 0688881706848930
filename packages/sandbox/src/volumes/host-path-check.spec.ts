import { lstat, mkdir, mkdtemp, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Volume } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { checkHostPath } from './host-path-check.js';

type HostPath = NonNullable<Volume['hostPath']>;

let root: string;

/** A host below a root: its own links lead out of the agent's view unless they are followed there. */
const below = { hostPath: (path: string) => join(root, path) };
const check = (path: string, type: HostPath['type']) => checkHostPath(below, 'v', { path, type });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-host-path-'));
  await mkdir(join(root, 'dir'));
  await writeFile(join(root, 'file'), 'content');
  await symlink('dir', join(root, 'link'));
  await symlink('/dir', join(root, 'absolute'));
  await symlink('/file', join(root, 'absolute-file'));
  await symlink('/gone', join(root, 'dangling'));
  await symlink('/circle', join(root, 'circle'));
  const server = createServer().listen(join(root, 'dir/socket'));
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
});

afterEach(() => rm(root, { recursive: true }));

describe('checkHostPath', () => {
  it.each<[string, HostPath['type'], string]>([
    ['/dir', '', 'dir'],
    ['/file', '', 'file'],
    ['/dir', 'Directory', 'dir'],
    ['/link', 'Directory', 'dir'],
    ['/absolute', 'Directory', 'dir'],
    ['/new/dir', 'DirectoryOrCreate', 'new/dir'],
    ['/dir', 'DirectoryOrCreate', 'dir'],
    ['/absolute/new', 'DirectoryOrCreate', 'dir/new'],
    ['/dangling', 'DirectoryOrCreate', 'gone'],
    ['/file', 'File', 'file'],
    ['/absolute-file', 'File', 'file'],
    ['/newfile', 'FileOrCreate', 'newfile'],
    ['/absolute/newfile', 'FileOrCreate', 'dir/newfile'],
    ['/file', 'FileOrCreate', 'file'],
    ['/dir/socket', 'Socket', 'dir/socket'],
    ['/absolute/socket', 'Socket', 'dir/socket'],
  ])('%s of type %j is %s of the host', async (path, type, found) => {
    expect(await check(path, type)).toBe(path);
    await lstat(join(root, found));
  });

  it.each<[string, HostPath['type'], string]>([
    ['/nowhere', '', 'not-found'],
    ['/dangling', '', 'not-found'],
    ['/circle', '', 'failed-precondition'],
    ['/nowhere', 'Directory', 'not-found'],
    ['/file', 'Directory', 'failed-precondition'],
    ['/file', 'DirectoryOrCreate', 'failed-precondition'],
    ['/file/x', 'DirectoryOrCreate', 'failed-precondition'],
    ['/dir', 'File', 'failed-precondition'],
    ['/dir', 'FileOrCreate', 'failed-precondition'],
    ['/no/such/file', 'FileOrCreate', 'not-found'],
    ['/file', 'Socket', 'failed-precondition'],
    ['/file', 'CharDevice', 'failed-precondition'],
    ['/file', 'BlockDevice', 'failed-precondition'],
  ])('%s of type %j: %s', async (path, type, kind) => {
    await expect(check(path, type)).rejects.toMatchObject({ kind });
  });

  it('never leaves the host’s root', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'podwright-outside-'));
    onTestFinished(() => rm(outside, { recursive: true }));
    await symlink(outside, join(root, 'out'));
    await check('/out/new', 'DirectoryOrCreate');
    expect((await stat(join(root, outside, 'new'))).isDirectory()).toBe(true);
    await expect(stat(join(outside, 'new'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each<[string, HostPath['type']]>([
    ['/dev/null', 'CharDevice'],
    ['/proc/self/ns/net', 'File'],
  ])('on the host itself the kernel follows links: %s of type %s', async (path, type) => {
    if (path.startsWith('/proc')) expect(await readlink(path)).toMatch(/^net:/);
    const own = { hostPath: (seen: string) => seen };
    expect(await checkHostPath(own, 'v', { path, type })).toBe(path);
  });
});
