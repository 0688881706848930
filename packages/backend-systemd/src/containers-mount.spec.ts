import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeMounter } from '@podwright/nsenter';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ContainersMount, takesLayers } from './containers-mount.js';
import { HostLayout } from './host-layout.js';
import { fakeHost } from './testing.spec-helper.js';

const CONTAINERS = '/state/containers';

let root: string;
let mounter: FakeMounter;
let containers: number;
let mount: ContainersMount;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-containers-'));
  containers = 0;
  mounter = new FakeMounter();
  const store = { list: () => Array.from({ length: containers }) };
  mount = Reflect.construct(ContainersMount, [
    fakeHost({ root }),
    mounter,
    new HostLayout('/state', '/run/p'),
    store,
    { warn: () => undefined },
  ]);
});

afterEach(() => rm(root, { recursive: true }));

it.each([
  ['ext4', 0xef53, true],
  ['xfs', 0x58465342, true],
  ['tmpfs', 0x01021994, true],
  ['overlay', 0x794c7630, false],
])('layers can lie on %s: %s is %s', (_, type, can) => {
  expect(takesLayers(type)).toBe(can);
});

it('is a directory for nobody else', async () => {
  await mount.ensure();
  expect((await stat(join(root, CONTAINERS))).mode & 0o7777).toBe(0o700);
});

it('goes with the last container, when it is a mount of ours', async () => {
  mounter.add(CONTAINERS, { device: 'podwright-containers' });
  containers = 1;
  await mount.release();
  expect(mounter.actions).toEqual([]);
  containers = 0;
  await mount.release();
  expect(mounter.actions).toEqual([`unmount ${CONTAINERS}`]);
  mounter.add(CONTAINERS, { device: '/dev/sdb1' });
  await mount.release();
  expect(mounter.actions).toHaveLength(1);
});
