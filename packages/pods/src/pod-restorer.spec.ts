import {
  type ContainerRuntime,
  type PodSandboxStatus,
  PodStore,
  PodwrightError,
  SandboxRestorer,
} from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentOver, FakeBackend, podOf } from './fake-backend.spec-helper.js';
import { ManualClock } from './manual-clock.spec-helper.js';
import { MemoryPodStore } from './memory-pod-store.js';

/** Brings back the one sandbox that there is, whose containers have ended with the host. */
class FakeRestorer implements SandboxRestorer {
  open = false;
  failures: PodwrightError[] = [];
  released: () => void = () => undefined;

  constructor(private readonly backend: FakeBackend) {}

  async isOpen(): Promise<boolean> {
    return this.open;
  }

  async restore(uid: string): Promise<PodSandboxStatus | undefined> {
    this.backend.calls.push('restore');
    const failure = this.failures.shift();
    if (failure) throw failure;
    return (await this.backend.listPodSandboxes({ podUid: uid }))[0];
  }

  async release(): Promise<void> {
    this.backend.calls.push('release');
    this.open = false;
    this.backend.restartByName('web');
    this.released();
  }
}

let clock: ManualClock;
let backend: FakeBackend;
let store: MemoryPodStore;
let restorer: FakeRestorer;
let runtime: ContainerRuntime;

const startAgent = async () => {
  runtime = await agentOver(backend, clock, async (container) => {
    (await container.rebind(PodStore)).toConstantValue(store);
    container.bind(SandboxRestorer).toConstantValue(restorer);
  });
  await runtime.start();
};

/** What became of containers since the host is up again. */
const changes = () =>
  backend.calls.filter((call) => /^(restore|release|(start|stop|remove)Container)/.test(call));

beforeEach(async () => {
  clock = new ManualClock();
  backend = new FakeBackend(clock);
  backend.features = { ...backend.features, persist: true };
  store = new MemoryPodStore();
  restorer = new FakeRestorer(backend);
  backend.exits.set('prepare', [0]);
  await startAgent();
  await runtime.runPod(podOf({ initContainers: [{ name: 'prepare', image: 'web:1' }] }), { persist: true });
  await runtime[Symbol.asyncDispose]();
  // The host goes down, and up again.
  backend.endByName('web', 143);
  restorer.open = true;
  backend.calls.length = 0;
});

afterEach(() => runtime[Symbol.asyncDispose]());

/** Starts an agent, and resolves when it has brought the pod back. */
const untilReleased = () =>
  new Promise<void>((resolve, reject) => {
    restorer.released = resolve;
    startAgent().catch(reject);
  });

describe('a pod whose restore did not come to its end', () => {
  it('is brought back by the next agent, before anything else is done to it', async () => {
    backend.exits.set('prepare', [0]);
    await untilReleased();
    expect(changes()).toEqual(['restore', 'startContainer prepare/1', 'release']);
    await runtime.syncPod(podOf({ initContainers: [{ name: 'prepare', image: 'web:1' }] }));
    expect(changes()).toHaveLength(3);
    expect((await runtime.getPodStatus({ uid: 'uid-1' })).phase).toBe('Running');
  });

  it('has no init container run beside that of the restore that was broken off', async () => {
    const [first] = backend.containers.values();
    const [sandboxId = ''] = backend.sandboxes.keys();
    const config = first?.config;
    if (config === undefined) throw new Error('no container');
    for (const attempt of [1, 2]) {
      const id = await backend.createContainer(sandboxId, {
        ...config,
        metadata: { name: 'prepare', attempt },
      });
      if (attempt === 1) await backend.startContainer(id);
    }
    backend.calls.length = 0;
    backend.exits.set('prepare', [0]);
    await untilReleased();
    expect(changes()).toEqual([
      ...['restore', expect.stringMatching(/^removeContainer container-/), 'stopContainer prepare own grace'],
      // Of three the one before the newest stays, for its logs.
      ...[expect.stringMatching(/^removeContainer container-/), 'startContainer prepare/2', 'release'],
    ]);
  });

  it('is tried again after a failure', async () => {
    restorer.failures = [new PodwrightError('port-in-use', 'Port 80 is taken.')];
    backend.exits.set('prepare', [0]);
    await untilReleased();
    expect(changes()).toEqual(['restore', 'restore', 'startContainer prepare/1', 'release']);
    expect(clock.sleeps).toHaveLength(1);
  });

  it('is killed and not brought back when that is asked for', async () => {
    const prepare = new Promise<void>((resolve) => {
      const start = backend.startContainer.bind(backend);
      backend.startContainer = async (id, options) => {
        await start(id, options);
        resolve();
      };
    });
    await startAgent();
    await prepare;
    await runtime.killPod({ uid: 'uid-1' });
    expect(changes()).not.toContain('release');
    expect(backend.byName('prepare').state).toBe('exited');
  });
});
