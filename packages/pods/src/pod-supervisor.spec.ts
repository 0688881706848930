import {
  type ContainerRuntime,
  type PodEvent,
  type PodRecord,
  PodStore,
  PodwrightError,
  ProbeResults,
  type RuntimeService,
} from '@podwright/core';
import { filter, firstValueFrom, from, merge, mergeMap, of } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentOver, FakeBackend, podOf } from './fake-backend.spec-helper.js';
import { ManualClock } from './manual-clock.spec-helper.js';
import { MemoryPodStore } from './memory-pod-store.js';

let clock: ManualClock;
let backend: FakeBackend;
let store: MemoryPodStore;
let runtime: ContainerRuntime;
let events: PodEvent[];

async function startAgent(probes?: ProbeResults): Promise<ContainerRuntime> {
  const agent = await agentOver(backend, clock, async (container) => {
    (await container.rebind(PodStore)).toConstantValue(store);
    if (probes) (await container.rebind(ProbeResults)).toConstantValue(probes);
  });
  agent.events.subscribe((event) => events.push(event));
  await agent.start();
  return agent;
}

beforeEach(async () => {
  clock = new ManualClock();
  backend = new FakeBackend(clock);
  backend.features = { ...backend.features, supervisedRestart: false };
  store = new MemoryPodStore();
  events = [];
  runtime = await startAgent();
});

afterEach(async () => {
  await runtime[Symbol.asyncDispose]();
});

/** Resolves when the container of this name is started with this attempt, and runs. */
async function runs(name: string, attempt: number): Promise<void> {
  const looks = merge(of(undefined), (backend as RuntimeService).events).pipe(
    mergeMap(() => from([...backend.containers.values()])),
  );
  await firstValueFrom(
    looks.pipe(
      filter(
        ({ metadata, state }) =>
          metadata.name === name && metadata.attempt === attempt && state === 'running',
      ),
    ),
  );
}

function backoffs(): readonly string[] {
  return events.filter(({ reason }) => reason === 'BackOff').map(({ message }) => message);
}

const recordOf = async (): Promise<PodRecord> => {
  const record = await store.get('uid-1');
  if (!record) throw new Error('no record');
  return record;
};

describe('PodSupervisor', () => {
  it('restarts at once, then after 10 s, 20 s and so on, and tells each back-off once', async () => {
    backend.exits.set('web', [1, 1, 1, 1]);
    await runtime.runPod(podOf());
    await runs('web', 4);
    expect(clock.sleeps).toEqual([10_000, 20_000, 40_000]);
    expect(backoffs()).toEqual(
      [10, 20, 40].map((seconds) => `Container web is started again in ${seconds} s.`),
    );
  });

  it('tells of a back-off after the end that is its reason, also where the list tells the end first', async () => {
    backend.exits.set('web', [1]);
    await runtime.runPod(podOf());
    await runs('web', 1);
    clock.time += 1000;
    backend.heldEvents = [];
    backend.endByName('web', 1);
    await runtime.syncPod(podOf());
    expect(backoffs()).toEqual([]);
    backend.releaseEvents();
    await runs('web', 2);
    const told = events
      .map(({ reason }) => reason)
      .filter((reason) => ['Exited', 'BackOff'].includes(reason));
    expect(told).toEqual(['Exited', 'Exited', 'BackOff']);
  });

  it('keeps the container before the newest, and counts on over those that are removed', async () => {
    backend.exits.set('web', [1, 1, 1, 1]);
    await runtime.runPod(podOf());
    await runs('web', 4);
    const { containers } = await runtime.getPodStatus({ uid: 'uid-1' });
    expect(containers[0]).toMatchObject({ restartCount: 4, state: 'running' });
    expect(containers[0]?.attempts.slice(-2)).toMatchObject([{ attempt: 3, exitCode: 1 }, { attempt: 4 }]);
    await expect.poll(() => backend.containers.size).toBe(2);
  });

  it('begins the back-off anew after a run of ten minutes', async () => {
    backend.exits.set('web', [1, 1]);
    await runtime.runPod(podOf());
    await runs('web', 2);
    clock.time += 600_000;
    backend.endByName('web', 1);
    await runs('web', 3);
    expect(clock.sleeps).toEqual([10_000]);
  });

  it('leaves restarts to a backend that does them', async () => {
    backend.features = { ...backend.features, supervisedRestart: true };
    await runtime.runPod(podOf());
    backend.endByName('web', 1, 10_000);
    expect((await runtime.getPodStatus({ uid: 'uid-1' })).containers[0]?.state).toBe('waiting');
    backend.restartByName('web');
    expect(backend.containers.size).toBe(1);
  });

  it('restarts by itself what has a liveness probe, also on a backend that restarts', async () => {
    backend.features = { ...backend.features, supervisedRestart: true };
    const livenessProbe = { tcpSocket: { port: 80 } };
    await runtime.runPod(podOf({ containers: [{ name: 'web', image: 'web:1', livenessProbe }] }));
    expect(backend.byName('web').config.restart).toEqual({ by: 'caller' });
    backend.endByName('web', 1);
    await runs('web', 1);
  });

  it('takes up what ended while no agent lived', async () => {
    await runtime.runPod(podOf());
    await runtime[Symbol.asyncDispose]();
    backend.endByName('web', 1);
    runtime = await startAgent();
    await runs('web', 1);
  });

  it('revives no pod whose sandbox is gone, as after a reboot', async () => {
    await runtime.runPod(podOf());
    await runtime[Symbol.asyncDispose]();
    for (const id of backend.sandboxes.keys()) await backend.stopPodSandbox(id);
    runtime = await startAgent();
    expect((await runtime.syncPod(podOf())).actions.map(({ action }) => action)).toEqual([
      'create-sandbox',
      'start-container',
    ]);
    expect(backend.calls.filter((call) => call.startsWith('runPodSandbox'))).toHaveLength(2);
  });

  it('tries again what failed, with a growing delay', async () => {
    let failures = 2;
    backend.hook = (call) => {
      if (call === 'createContainer' && failures-- > 0) throw new PodwrightError('internal', 'not now');
    };
    const { actions } = await runtime.syncPod(podOf());
    expect(actions.map(({ action, error }) => [action, error?.message.includes('not now') ?? false])).toEqual(
      [
        ['create-sandbox', false],
        ['start-container', true],
      ],
    );
    await runs('web', 0);
    expect(clock.sleeps).toEqual([10_000, 20_000]);
  });
});

describe('containers that are ended to be started again', () => {
  const two = (args: readonly string[]) =>
    podOf({
      restartPolicy: 'Never',
      containers: [
        { name: 'web', image: 'web:1', args },
        { name: 'log', image: 'web:1', args },
      ],
    });

  /** Resolves all calls when as many of them have come. */
  function meeting(size: number): () => Promise<void> {
    let resolve = () => {};
    const all = new Promise<void>((done) => {
      resolve = done;
    });
    let there = 0;
    return () => {
      if (++there === size) resolve();
      return all;
    };
  }

  it('that failed their probe are started again after their back-off, also those that end with 0', async () => {
    await runtime[Symbol.asyncDispose]();
    const said = () => (backend.byName('web').metadata.attempt < 2 ? 'failure' : 'success');
    runtime = await startAgent({ readiness: said, liveness: said, startup: () => 'success' });
    const phases: string[] = [];
    backend.hook = async (call) => {
      if (call !== 'createContainer') return;
      phases.push((await runtime.getPodStatus({ uid: 'uid-1' })).phase);
    };
    backend.stopEnd = [0];
    const pod = podOf({ restartPolicy: 'OnFailure' });
    await runtime.runPod(pod);
    await runs('web', 2);
    expect(clock.sleeps).toEqual([10_000]);
    expect(phases).toEqual(['Pending', 'Running', 'Running']);
    // By itself it ends for good.
    backend.endByName('web', 0);
    expect((await runtime.syncPod(pod)).actions).toEqual([]);
    expect((await recordOf()).unhealthy).toBeUndefined();
    expect((await runtime.getPodStatus({ uid: 'uid-1' })).phase).toBe('Succeeded');
  });

  it('are owed no more when all of them were made at the same time', async () => {
    await runtime.runPod(two(['a']));
    const met = meeting(2);
    backend.hook = (call) => (call === 'createContainer' ? met() : undefined);
    await runtime.syncPod(two(['b']));
    expect((await recordOf()).owed).toBeUndefined();
    backend.endByName('web', 0);
    backend.endByName('log', 0);
    expect((await runtime.syncPod(two(['b']))).actions).toEqual([]);
  });
});

describe('a sync in whose middle the agent dies', () => {
  /** The backend as it is when nothing is heard of the agent after this call. */
  async function dieAt(name: string, pod: ReturnType<typeof podOf>): Promise<void> {
    let dead = false;
    backend.hook = (call) => {
      if (dead || call === name) {
        dead = true;
        throw new PodwrightError('internal', 'the agent is dead');
      }
    };
    await runtime.syncPod(pod).catch(() => undefined);
    await runtime[Symbol.asyncDispose]();
    backend.hook = () => undefined;
    clock.sleeps.length = 0;
    runtime = await startAgent();
  }

  const changed = (spec = {}) =>
    podOf({ restartPolicy: 'Never', containers: [{ name: 'web', image: 'web:1', args: ['x'] }], ...spec });

  it.each(['setUp', 'runPodSandbox', 'createContainer', 'startContainer'])(
    'at %s of a new pod',
    async (call) => {
      await dieAt(call, podOf());
      await runtime.syncPod(podOf());
      await runs('web', backend.byName('web').metadata.attempt);
      expect((await recordOf()).state).toBe('running');
      expect([...backend.sandboxes.values()].filter(({ state }) => state === 'ready')).toHaveLength(1);
    },
  );

  it.each(['stopContainer', 'createContainer', 'startContainer'])(
    'at %s of a changed container',
    async (call) => {
      await runtime.runPod(podOf({ restartPolicy: 'Never' }));
      await dieAt(call, changed());
      await runtime.syncPod(changed());
      await runs('web', 1);
      expect(backend.byName('web').config.args).toEqual(['x']);
      expect((await recordOf()).owed).toBeUndefined();
    },
  );

  it('at the end of the old sandbox', async () => {
    await runtime.runPod(podOf({ restartPolicy: 'Never' }));
    await dieAt('runPodSandbox', changed({ hostNetwork: true }));
    await runtime.syncPod(changed({ hostNetwork: true }));
    await runs('web', 1);
  });
});
