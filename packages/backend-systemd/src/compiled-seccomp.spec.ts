import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@podwright/core';
import { COMPILED_SECCOMP_ANNOTATION, type OciRuntimeBinary, type OciSeccomp } from '@podwright/oci';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CompiledSeccomp, KEPT_FILTERS } from './compiled-seccomp.js';
import { HostLayout } from './host-layout.js';
import { CONTAINER_ID, fakeHost } from './testing.spec-helper.js';

const PROFILE: OciSeccomp = {
  defaultAction: 'SCMP_ACT_ERRNO',
  syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
};
const FILTER = Buffer.from('12345678abcdefgh');

let root: string;
let layout: HostLayout;
let crun: OciRuntimeBinary;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podwright-seccomp-'));
  layout = new HostLayout('/state', '/run');
  crun = { flavour: 'crun', path: '/usr/bin/crun' };
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await mkdir(join(root, 'usr/lib/x86_64-linux-gnu'), { recursive: true });
  await writeFile(join(root, crun.path), 'crun');
  // Debian's names of directories, and one of a file that is like them.
  await mkdir(join(root, 'lib64'));
  await writeFile(join(root, 'lib64/ld-linux-x86-64.so.2'), 'loader');
  await writeFile(join(root, 'usr/lib/x86_64-linux-gnu/libseccomp.so.2'), 'library');
});

afterEach(() => rm(root, { recursive: true }));

/** As a new agent has it. */
function compiled(runtime = crun): CompiledSeccomp {
  const tools = { find: async () => ({ runtime }) };
  return Reflect.construct(CompiledSeccomp, [fakeHost({ root }), layout, tools, silentLogger]);
}

/** A container that runs, as it lies on the host. */
async function running(seccomp: OciSeccomp | undefined, filter = FILTER, annotations = {}): Promise<void> {
  const { bundle, ociConfig } = layout.container(CONTAINER_ID);
  const state = join(root, layout.runtimeRoot, CONTAINER_ID);
  for (const path of [join(root, bundle), state]) await mkdir(path, { recursive: true });
  await writeFile(join(root, ociConfig), JSON.stringify({ linux: { seccomp }, annotations }));
  await writeFile(join(state, 'seccomp.bpf'), filter);
}

it('gives what was made for a container to the next with the same profile, also in the next agent', async () => {
  expect(compiled().of(PROFILE, crun)).toBeUndefined();
  await running(PROFILE);
  await compiled().keep(CONTAINER_ID);
  expect(compiled().of(PROFILE, crun)).toBe(FILTER.toString('base64'));
});

it.each([
  ['another profile', async () => ({ ...PROFILE, defaultAction: 'SCMP_ACT_KILL' })],
  [
    'another crun',
    async () => {
      await writeFile(join(root, crun.path), 'a newer crun');
      return PROFILE;
    },
  ],
  [
    'another libseccomp',
    async () => {
      await writeFile(join(root, 'usr/lib/x86_64-linux-gnu/libseccomp.so.2'), 'a newer library');
      return PROFILE;
    },
  ],
])('gives nothing that was made of or by %s', async (_what, change) => {
  await running(PROFILE);
  await compiled().keep(CONTAINER_ID);
  expect(compiled().of(await change(), crun)).toBeUndefined();
});

it.each([
  ['runs without a filter', () => running(undefined)],
  ['was given its filter', () => running(PROFILE, FILTER, { [COMPILED_SECCOMP_ANNOTATION]: 'x' })],
  ['has a filter that is cut off', () => running(PROFILE, FILTER.subarray(1))],
  ['has an empty filter', () => running(PROFILE, Buffer.alloc(0))],
  ['has more than the kernel takes', () => running(PROFILE, Buffer.alloc(8 * 4097))],
  ['is gone', async () => undefined],
])('keeps nothing of a container that %s', async (_what, prepare) => {
  await prepare();
  await compiled().keep(CONTAINER_ID);
  expect(compiled().of(PROFILE, crun)).toBeUndefined();
});

it('leaves a crun alone that keeps what it compiled', async () => {
  await running(PROFILE);
  await mkdir(join(root, layout.runtimeRoot, '.cache/seccomp'), { recursive: true });
  await compiled().keep(CONTAINER_ID);
  expect(compiled().of(PROFILE, crun)).toBeUndefined();
});

it('does nothing with runc', async () => {
  const runc: OciRuntimeBinary = { ...crun, flavour: 'runc' };
  await running(PROFILE);
  await compiled(runc).keep(CONTAINER_ID);
  expect(compiled(runc).of(PROFILE, runc)).toBeUndefined();
  await compiled().keep(CONTAINER_ID);
  expect(compiled(runc).of(PROFILE, runc)).toBeUndefined();
});

it('fails no start because of a file that cannot be read', async () => {
  await running(PROFILE);
  await compiled().keep(CONTAINER_ID);
  const directory = join(root, layout.compiledSeccompDir);
  const [name = ''] = await readdir(directory);
  await rm(join(directory, name));
  await mkdir(join(directory, name));
  expect(compiled().of(PROFILE, crun)).toBeUndefined();
});

it('keeps the newest ones', async () => {
  const directory = join(root, layout.compiledSeccompDir);
  await mkdir(directory, { recursive: true });
  for (let age = 1; age <= KEPT_FILTERS; age++) {
    await writeFile(join(directory, `old-${age}`), FILTER);
    await utimes(join(directory, `old-${age}`), 1000 - age, 1000 - age);
  }
  await running(PROFILE);
  await compiled().keep(CONTAINER_ID);
  const names = await readdir(directory);
  expect(names).toHaveLength(KEPT_FILTERS);
  expect(names).not.toContain(`old-${KEPT_FILTERS}`);
  expect(compiled().of(PROFILE, crun)).toBe(FILTER.toString('base64'));
});
