import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerRuntime, PodStore, type RuntimeAccess } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryLock } from './directory-lock.js';
import { agentOver, FakeBackend, podOf } from './fake-backend.spec-helper.js';
import { FilePodStore } from './file-pod-store.js';
import { ManualClock } from './manual-clock.spec-helper.js';
import { ObservedPodStore } from './observed-pod-store.js';
import { PodAccess } from './pod-access.js';

const clock = new ManualClock();
const runtimes: ContainerRuntime[] = [];
let stateDir: string;
let backend: FakeBackend;

async function start(access: RuntimeAccess): Promise<ContainerRuntime> {
  const runtime = await agentOver(backend, clock, async (container) => {
    (await container.rebind(PodAccess)).toConstantValue(access);
    const store = access === 'observe' ? new ObservedPodStore(stateDir) : new FilePodStore(stateDir);
    (await container.rebind(PodStore)).toConstantValue(store);
  });
  runtimes.push(runtime);
  await runtime.start();
  return runtime;
}

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'observing-'));
  backend = new FakeBackend(clock);
});

afterEach(async () => {
  for (const runtime of runtimes.splice(0)) await runtime[Symbol.asyncDispose]();
  await rm(stateDir, { recursive: true });
});

describe('a runtime that observes', () => {
  it('sees pods that the other process runs and removes, before and after its own start', async () => {
    const agent = await start('exclusive');
    await agent.runPod(podOf({}, { name: 'early', uid: 'early' }));
    const observer = await start('observe');
    await agent.runPod(podOf({}, { name: 'late', uid: 'late', labels: { app: 'x' } }));
    expect((await observer.getPods()).map(({ name }) => name).sort()).toEqual(['early', 'late']);
    expect((await observer.getPodStatus({ name: 'late' })).manifest?.metadata.labels).toEqual({ app: 'x' });
    await agent.removePod({ name: 'early' });
    expect((await observer.getPods({ all: true })).map(({ name }) => name)).toEqual(['late']);
  });

  it('leaves a pod alone that the other process is starting', async () => {
    const store = new FilePodStore(stateDir);
    await store.open();
    const manifest = podOf({}, { uid: 'half' });
    await store.put({
      uid: 'half',
      namespace: 'default',
      name: 'site',
      manifest,
      createdAtMs: 1,
      state: 'preparing',
    });
    const observer = await start('observe');
    expect((await observer.getPods()).map(({ uid, phase }) => [uid, phase])).toEqual([['half', 'Pending']]);
    expect((await store.get('half'))?.state).toBe('preparing');
    await store.close();
  });

  it('tells in a dry run what garbage collection would remove, a half-started pod too, and removes nothing', async () => {
    const agent = await start('exclusive');
    await agent.runPod(podOf({}, { name: 'ended', uid: 'ended' }));
    await agent.killPod({ uid: 'ended' });
    await agent[Symbol.asyncDispose]();
    const store = new FilePodStore(stateDir);
    await store.open();
    const manifest = podOf({}, { uid: 'half' });
    const record = { uid: 'half', namespace: 'default', name: 'site', manifest, createdAtMs: 1 } as const;
    await store.put({ ...record, state: 'preparing' });
    const observer = await start('observe');
    const policy = { minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 };
    const { removed, errors } = await observer.garbageCollect(policy, { dryRun: true });
    expect(errors).toEqual([]);
    expect(removed).toContain('pod default/site that was never started in full');
    expect(removed).toContainEqual(expect.stringMatching(/of pod ended|\(ended\)/));
    expect((await store.list()).map(({ uid }) => uid).sort()).toEqual(['ended', 'half']);
    expect(backend.containers.size).toBe(1);
    await store.close();
  });

  it.each([
    ['runPod', (runtime: ContainerRuntime) => runtime.runPod(podOf({}, { name: 'other', uid: 'other' }))],
    ['killPod', (runtime: ContainerRuntime) => runtime.killPod({ name: 'site' })],
    ['removePod', (runtime: ContainerRuntime) => runtime.removePod({ name: 'site' })],
    [
      'garbageCollect',
      (runtime: ContainerRuntime) =>
        runtime.garbageCollect({ minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 }),
    ],
  ])('refuses %s and says how to get the right to do it', async (_name, call) => {
    const agent = await start('exclusive');
    await agent.runPod(podOf());
    const observer = await start('observe');
    await expect(call(observer)).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('access "exclusive"'),
    });
    expect((await agent.getPods()).map(({ name }) => name)).toEqual(['site']);
  });

  it('needs no state directory and makes none', async () => {
    await rm(stateDir, { recursive: true });
    expect(await (await start('observe')).getPods({ all: true })).toEqual([]);
    await expect(readdir(stateDir)).rejects.toMatchObject({ code: 'ENOENT' });
    await new FilePodStore(stateDir).open();
  });

  it('cannot write to the store', async () => {
    const store = new ObservedPodStore(stateDir);
    await expect(store.delete('x')).rejects.toMatchObject({ kind: 'failed-precondition' });
  });
});

describe('waiting for the lock of a state directory', () => {
  it('ends when the holder lets go, or with the name of the holder when the time is over', async () => {
    const holder = new DirectoryLock(stateDir);
    const next = new DirectoryLock(stateDir);
    await holder.acquire();
    await expect(next.acquire(150)).rejects.toMatchObject({ details: { pid: `${process.pid}` } });
    const waiting = next.acquire(10_000);
    await holder.release();
    await waiting;
    await next.release();
  });
});
