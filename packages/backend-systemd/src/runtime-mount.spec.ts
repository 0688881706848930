import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError, silentLogger } from '@podwright/core';
import { FakeMounter } from '@podwright/nsenter';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HostLayout } from './host-layout.js';
import { RuntimeMount } from './runtime-mount.js';
import { fakeHost } from './testing.spec-helper.js';

let folder: string;
let layout: HostLayout;
let mounter: FakeMounter;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-runtime-'));
  layout = new HostLayout(join(folder, 'state'), join(folder, 'run'));
  await mkdir(layout.rootfsDir, { recursive: true });
  await writeFile(join(folder, 'crun'), 'program');
  mounter = new FakeMounter();
});

afterEach(() => rm(folder, { recursive: true }));

function runtimeMount({ flavour = 'crun', host = fakeHost(), mounts = mounter } = {}): RuntimeMount {
  const tools = { find: async () => ({ runtime: { flavour, path: join(folder, 'crun') } }) };
  return Reflect.construct(RuntimeMount, [host, mounts, layout, tools, silentLogger]);
}

it('mounts the runtime read-only, and again when it was replaced', async () => {
  const mount = runtimeMount();
  const words = `mount none ${join(folder, 'crun')} ${layout.mountedRuntime} bind,ro,private`;
  await mount.ensure();
  expect(await readFile(layout.mountedRuntime, 'utf8')).toBe('');
  // The fake mounts nothing, so that what lies there is another file than the program.
  await mount.ensure();
  expect(mounter.actions).toEqual([words, `unmount ${layout.mountedRuntime}`, words]);
});

it('leaves one that is there', async () => {
  layout = new HostLayout(join(folder, 'state'), folder);
  await mkdir(layout.rootfsDir);
  const tools = {
    find: async () => ({ runtime: { flavour: 'crun', path: join(layout.rootfsDir, 'runtime') } }),
  };
  await writeFile(layout.mountedRuntime, 'program');
  await Reflect.construct(RuntimeMount, [fakeHost(), mounter, layout, tools, silentLogger]).ensure();
  expect(mounter.actions).toEqual([]);
});

it.each([
  ['runc, which does without', { flavour: 'runc' }],
  ['an agent that does not see the host’s mounts', { host: fakeHost({ root: '/rootfs' }) }],
])('mounts nothing for %s', async (_what, options) => {
  await runtimeMount(options).ensure();
  expect(mounter.actions).toEqual([]);
});

it('is tried once where it cannot be mounted, and that fails no start', async () => {
  const tried: string[] = [];
  const mount = runtimeMount({
    mounts: new FakeMounter({
      before: (action) => {
        tried.push(action);
        throw new PodwrightError('permission-denied', 'No.');
      },
    }),
  });
  await mount.ensure();
  await mount.ensure();
  expect(tried).toHaveLength(1);
});

it('is taken away, once', async () => {
  const mount = runtimeMount();
  await mount.ensure();
  await mount.release();
  await mount.release();
  expect(mounter.actions.slice(1)).toEqual([`unmount ${layout.mountedRuntime}`]);
});
