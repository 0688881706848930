import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { FakeMounter } from '@podwright/nsenter';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HostLayout } from './host-layout.js';
import { RootfsMount } from './rootfs-mount.js';
import { CONTAINER_ID, errorOf, fakeHost } from './testing.spec-helper.js';

let root: string;
let mounter: FakeMounter;
let rootfs: RootfsMount;
let containers: number;
let runtimeCalls: string[];

const ROOTFS = '/run/p/rootfs';
const MOUNT = `mount tmpfs podwright-rootfs ${ROOTFS} mode=0700,size=16m,nosuid,nodev,private`;
const runtime = {
  ensure: async () => void runtimeCalls.push('ensure'),
  release: async () => void runtimeCalls.push('release'),
};
const store = { list: () => Array.from({ length: containers }) };
const rootfsMount = (mounts: FakeMounter): RootfsMount =>
  Reflect.construct(RootfsMount, [
    fakeHost({ root }),
    mounts,
    new HostLayout('/state', '/run/p'),
    store,
    runtime,
  ]);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-rootfs-'));
  containers = 0;
  runtimeCalls = [];
  mounter = new FakeMounter({
    // What is in a tmpfs goes with it.
    before: async (action) => {
      if (action.startsWith('unmount')) await rm(join(root, ROOTFS, CONTAINER_ID), { recursive: true });
    },
  });
  rootfs = rootfsMount(mounter);
});

afterEach(() => rm(root, { recursive: true }));

it('is mounted once, and private, with a directory for the container', async () => {
  await Promise.all([rootfs.ensure(CONTAINER_ID), rootfs.ensure(CONTAINER_ID)]);
  expect(await readdir(join(root, ROOTFS))).toEqual([CONTAINER_ID]);
  expect(mounter.actions).toEqual([MOUNT]);
});

it('is made private when an agent ended before it had done so', async () => {
  mounter.add(ROOTFS, { propagation: { peerGroup: 7, unbindable: false } });
  await rootfs.ensure(CONTAINER_ID);
  expect(mounter.actions).toEqual([`private ${ROOTFS}`]);
});

it('goes with the last container', async () => {
  await rootfs.ensure(CONTAINER_ID);
  containers = 1;
  await rootfs.release();
  expect(await mounter.isMountPoint(ROOTFS)).toBe(true);
  containers = 0;
  await rootfs.release();
  await rootfs.release();
  expect(mounter.actions.slice(1)).toEqual([`unmount ${ROOTFS}`]);
  // It lies in there, so it goes first.
  expect(runtimeCalls).toEqual(['ensure', 'release', 'release']);
  expect(await readdir(join(root, 'run/p'))).toEqual([]);
});

it('tells when it cannot be mounted', async () => {
  const failing = new FakeMounter({
    before: () => {
      throw new PodwrightError('command-failed', 'No.');
    },
  });
  expect((await errorOf(() => rootfsMount(failing).ensure(CONTAINER_ID))).kind).toBe('command-failed');
});
