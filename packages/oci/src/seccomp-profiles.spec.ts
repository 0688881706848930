import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { OciHostFacts } from './build-oci-spec.js';
import { HostSeccompProfiles } from './seccomp-profiles.js';

const FACTS: OciHostFacts = {
  capabilities: ['CAP_CHOWN', 'CAP_KILL'],
  cgroupVersion: 2,
  hardLimits: {},
  arch: 'amd64',
  kernelVersion: '6.1',
  mandatoryAccess: { seLinux: false },
};

let folder: string;
let path: string;
let profiles: HostSeccompProfiles;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-profiles-'));
  path = join(folder, 'default.json');
  const executor = { hostPath: (each: string) => each };
  profiles = Reflect.construct(HostSeccompProfiles, [executor, { seccompProfile: path }]);
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

const write = (action: string) =>
  writeFile(path, JSON.stringify({ defaultAction: `SCMP_ACT_${action}`, syscalls: [] }));
const later = () => vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ['Date'] });

it('are read once as long as the file is the same', async () => {
  await write('KILL');
  // As it was long ago: within a tick of the kernel's clock two changes have one time.
  await utimes(path, 1, 1);
  later();
  const first = await profiles.load({}, FACTS);
  expect(first).toEqual({ defaultAction: 'SCMP_ACT_KILL', syscalls: [] });
  expect(await profiles.load({}, FACTS)).toBe(first);
  await write('TRAP');
  expect(await profiles.load({}, FACTS)).toMatchObject({ defaultAction: 'SCMP_ACT_TRAP' });
});

it('are read anew when they were changed just before', async () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ['Date'] });
  await write('KILL');
  const first = await profiles.load({}, FACTS);
  expect(await profiles.load({}, FACTS)).not.toBe(first);
});

it('are resolved for each set of capabilities', async () => {
  const rule = { names: ['chown'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_CHOWN'] } };
  await writeFile(path, JSON.stringify({ defaultAction: 'SCMP_ACT_KILL', syscalls: [rule] }));
  later();
  const dropped = { dropCapabilities: ['ALL'] };
  expect((await profiles.load({}, FACTS))?.syscalls).toHaveLength(1);
  expect((await profiles.load(dropped, FACTS))?.syscalls).toEqual([]);
  expect((await profiles.load({}, FACTS))?.syscalls).toHaveLength(1);
});

it('that are gone are missed, though they were there before', async () => {
  await write('KILL');
  later();
  await profiles.load({}, FACTS);
  await rm(path);
  await expect(profiles.load({}, FACTS)).rejects.toMatchObject({ kind: 'missing-requirement' });
});
