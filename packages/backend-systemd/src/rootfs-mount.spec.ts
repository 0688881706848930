import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HostLayout } from './host-layout.js';
import { RootfsMount } from './rootfs-mount.js';
import { CONTAINER_ID, errorOf, type FakeHost, fakeHost } from './testing.spec-helper.js';

let root: string;
let host: FakeHost;
let rootfs: RootfsMount;
let containers: number;
let isMounted: boolean;
let isShared: boolean;

const ROOTFS = 'run/p/rootfs';
const MOUNT = 'mount -t tmpfs -o mode=0700,size=16m,nosuid,nodev podwright-rootfs /run/p/rootfs';
const PRIVATE = 'mount --make-private /run/p/rootfs';

async function writeTable(): Promise<void> {
  const own = `2 1 0:2 / /run/p/rootfs rw ${isShared ? 'shared:7 ' : ''}- tmpfs podwright-rootfs rw\n`;
  await writeFile(join(root, 'proc/1/mountinfo'), `1 0 8:1 / / rw - ext4 x rw\n${isMounted ? own : ''}`);
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-rootfs-'));
  await mkdir(join(root, 'proc/1'), { recursive: true });
  [containers, isMounted, isShared] = [0, false, false];
  host = fakeHost({
    root,
    run: async ({ command, args }) => {
      if (args.includes('--make-private')) isShared = false;
      else [isMounted, isShared] = [command === 'mount', command === 'mount'];
      // What is in a tmpfs goes with it.
      if (command === 'umount') await rm(join(root, ROOTFS, CONTAINER_ID), { recursive: true });
      await writeTable();
      return {};
    },
  });
  await writeTable();
  const store = { list: () => Array.from({ length: containers }) };
  rootfs = Reflect.construct(RootfsMount, [host, new HostLayout('/state', '/run/p'), store]);
});

afterEach(() => rm(root, { recursive: true }));

it('is mounted once, and private, with a directory for the container', async () => {
  await Promise.all([rootfs.ensure(CONTAINER_ID), rootfs.ensure(CONTAINER_ID)]);
  expect(await readdir(join(root, ROOTFS))).toEqual([CONTAINER_ID]);
  expect(host.commands).toEqual([MOUNT, PRIVATE]);
});

it('is made private when an agent ended before it had done so', async () => {
  [isMounted, isShared] = [true, true];
  await writeTable();
  await rootfs.ensure(CONTAINER_ID);
  expect(host.commands).toEqual([PRIVATE]);
});

it('goes with the last container', async () => {
  await rootfs.ensure(CONTAINER_ID);
  containers = 1;
  await rootfs.release();
  expect(isMounted).toBe(true);
  containers = 0;
  await rootfs.release();
  await rootfs.release();
  expect(host.commands.slice(2)).toEqual(['umount /run/p/rootfs']);
  expect(await readdir(join(root, 'run/p'))).toEqual([]);
});

it('tells when it cannot be mounted', async () => {
  const failing = fakeHost({ root, run: () => Promise.reject(new PodwrightError('command-failed', 'No.')) });
  const broken: RootfsMount = Reflect.construct(RootfsMount, [failing, new HostLayout('/s', '/run/p'), {}]);
  expect((await errorOf(() => broken.ensure(CONTAINER_ID))).kind).toBe('command-failed');
});
