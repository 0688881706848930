import { type ContainerRuntime, PodStore, PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentOver, FakeBackend, podOf } from './fake-backend.spec-helper.js';
import { ManualClock } from './manual-clock.spec-helper.js';
import { MemoryPodStore } from './memory-pod-store.js';

const POLICIES = ['Always', 'OnFailure', 'Never'] as const;
const uid = 'uid-1';

let backend: FakeBackend;
let runtime: ContainerRuntime;
let store: MemoryPodStore;

beforeEach(async () => {
  const clock = new ManualClock();
  backend = new FakeBackend(clock);
  backend.features = { ...backend.features, supervisedRestart: false };
  store = new MemoryPodStore();
  runtime = await agentOver(backend, clock, async (container) => {
    (await container.rebind(PodStore)).toConstantValue(store);
  });
  await runtime.start();
});

afterEach(async () => {
  await runtime[Symbol.asyncDispose]();
});

const jobOf = (restartPolicy: string, spec: Readonly<Record<string, unknown>> = {}) =>
  podOf({
    restartPolicy,
    containers: [
      { name: 'web', image: 'web:1' },
      { name: 'done', image: 'web:1' },
    ],
    ...spec,
  });

/** What a sync does, in short. */
async function synced(pod: ReturnType<typeof podOf>): Promise<readonly string[]> {
  const { actions } = await runtime.syncPod(pod);
  return actions.map(({ action, container, error }) =>
    [action, container, error && 'failed'].filter((word) => word !== undefined).join(' '),
  );
}

describe('a pod that was killed and is synced again', () => {
  it.each(POLICIES.filter((policy) => policy !== 'Always'))(
    'with %s has again what the kill ended, and not what had ended well by itself',
    async (policy) => {
      backend.stopEnd = [0];
      backend.exits.set('done', [0]);
      await runtime.runPod(jobOf(policy));
      await runtime.killPod({ uid });
      expect(await synced(jobOf(policy))).toEqual(['create-sandbox', 'start-container web']);
      expect(await synced(jobOf(policy))).toEqual([]);
      expect((await store.get(uid))?.owed).toBeUndefined();
      backend.endByName('web', 0);
      expect((await runtime.getPodStatus({ uid })).phase).toBe('Succeeded');
    },
  );

  it.each(POLICIES)('with %s begins at once, however often it was killed', async (policy) => {
    await runtime.runPod(podOf({ restartPolicy: policy }));
    for (const _time of [1, 2, 3]) {
      await runtime.killPod({ uid });
      // One more kill has nothing to end, and changes nothing.
      await runtime.killPod({ uid });
      expect(await synced(podOf({ restartPolicy: policy }))).toEqual([
        'create-sandbox',
        'start-container web',
      ]);
    }
  });

  it('stays as it is when all of it had ended by itself', async () => {
    backend.exits.set('web', [1]);
    await runtime.runPod(podOf({ restartPolicy: 'Never' }));
    await runtime.killPod({ uid });
    expect(await synced(podOf({ restartPolicy: 'Never' }))).toEqual([]);
    expect((await runtime.getPodStatus({ uid })).phase).toBe('Failed');
  });

  const inits = {
    initContainers: [
      { name: 'init', image: 'init:1' },
      { name: 'next', image: 'init:1' },
    ],
  };

  it.each<[string, readonly number[], readonly string[]]>([
    ['ran', [], ['create-sandbox', 'start-container init']],
    ['had failed', [7], []],
  ])('with Never, when its init container %s', async (_what, exits, expected) => {
    backend.exits.set('init', [...exits]);
    await runtime.syncPod(jobOf('Never', inits));
    await runtime.killPod({ uid });
    expect(await synced(jobOf('Never', inits))).toEqual(expected);
  });

  it('has not failed while a container of it cannot be started yet', async () => {
    await runtime.runPod(podOf({ restartPolicy: 'Never' }));
    await runtime.killPod({ uid });
    backend.hook = (call) => {
      if (call === 'createContainer') throw new PodwrightError('internal', 'not now');
    };
    expect(await synced(podOf({ restartPolicy: 'Never' }))).toEqual([
      'create-sandbox',
      'start-container web failed',
    ]);
    const { phase, containers } = await runtime.getPodStatus({ uid });
    expect([phase, containers[0]?.state]).toEqual(['Running', 'waiting']);
  });
});
