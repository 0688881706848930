import {
  type ContainerRuntime,
  ImageService,
  type Pod,
  type PodEvent,
  type PodRecord,
  PodStore,
  PodwrightError,
  RESOURCES_ANNOTATION,
  SANDBOX_HASH_ANNOTATION,
  toApiPodStatus,
} from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentOver, FakeBackend, podOf, untilAborted } from './fake-backend.spec-helper.js';
import { ManualClock } from './manual-clock.spec-helper.js';
import { MemoryPodStore } from './memory-pod-store.js';

const EVERYTHING = { minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 };

let clock: ManualClock;
let backend: FakeBackend;
let store: MemoryPodStore;
let runtime: ContainerRuntime;
let events: PodEvent[];

/** A new agent on the same backend and the same store. */
async function startAgent(): Promise<ContainerRuntime> {
  const agent = await agentOver(backend, clock, async (container) => {
    (await container.rebind(PodStore)).toConstantValue(store);
  });
  agent.events.subscribe((event) => events.push(event));
  await agent.start();
  return agent;
}

function reasons(): readonly string[] {
  return events.map(({ reason, object }) => `${reason} ${object.fieldPath ?? object.name}`);
}

async function kindOfFailure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return PodwrightError.is(error) ? error.kind : `not ours: ${error}`;
  }
  return 'no failure';
}

function nothingIsLeft() {
  expect([...backend.sandboxes.keys(), ...backend.containers.keys(), ...backend.volumes.keys()]).toEqual([]);
}

/** Resolves at the first call of this name. */
function onCall(name: string, action: (signal?: AbortSignal) => Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    backend.hook = async (call, subject, signal) => {
      if (`${call} ${subject}` !== name) return;
      resolve();
      await action(signal);
    };
  });
}

beforeEach(async () => {
  clock = new ManualClock();
  backend = new FakeBackend(clock);
  store = new MemoryPodStore();
  events = [];
  runtime = await startAgent();
});

afterEach(async () => {
  await runtime[Symbol.asyncDispose]();
});

describe('runPod', () => {
  it('runs init containers one after the other, then creates and starts all containers', async () => {
    backend.exits.set('one', [0]).set('two', [0]);
    const result = await runtime.runPod(
      podOf({
        initContainers: [
          { name: 'one', image: 'init:1' },
          { name: 'two', image: 'init:1' },
        ],
        containers: [
          { name: 'web', image: 'web:1' },
          { name: 'side', image: 'busybox' },
        ],
      }),
    );
    expect(result).toEqual({ uid: 'uid-1', name: 'site', namespace: 'default', ips: ['10.0.0.2'] });
    expect(backend.calls.filter((call) => !/^(start |pullImage )/.test(call))).toEqual([
      'runPodSandbox site',
      'setUp site',
      'createContainer one/0',
      'startContainer one/0',
      'createContainer two/0',
      'startContainer two/0',
      'createContainer web/0',
      'createContainer side/0',
      'startContainer web/0',
      'startContainer side/0',
    ]);
    expect((await store.get('uid-1'))?.state).toBe('running');
  });

  it('hands the manifest on to the backend', async () => {
    await runtime.runPod(
      podOf(
        {
          containers: [
            {
              ...{ name: 'web', image: 'web:1', args: ['--at=$(HOST):$(PORT)', '$$(HOST)', '$(NO)'] },
              env: [
                { name: 'HOST', value: 'h"%\n' },
                { name: 'PORT', value: '$(HOST)1' },
                { name: 'HOST', value: 'last' },
              ],
              ports: [{ containerPort: 80, hostPort: 8080, hostIP: '127.0.0.1' }, { containerPort: 81 }],
              resources: { limits: { cpu: '500m' }, requests: { memory: '64Mi' } },
              volumeMounts: [{ name: 'data', mountPath: '/data', readOnly: true }],
              securityContext: { runAsUser: 5, capabilities: { drop: ['ALL'] } },
            },
          ],
          volumes: [{ name: 'data', emptyDir: {} }],
          securityContext: { runAsUser: 1, runAsGroup: 2, supplementalGroups: [3] },
          terminationGracePeriodSeconds: 7,
        },
        { labels: { app: 'site' }, annotations: { 'example.org/Note': ' \u00e4\n\t"%' } },
      ),
    );
    expect([...backend.sandboxes.values()][0]?.config).toEqual({
      metadata: { name: 'site', namespace: 'default', uid: 'uid-1', attempt: 0 },
      labels: { app: 'site' },
      annotations: {
        'example.org/Note': ' \u00e4\n\t"%',
        [SANDBOX_HASH_ANNOTATION]: expect.stringMatching(/^[0-9a-f]{16}$/),
        [RESOURCES_ANNOTATION]: expect.stringContaining('"memoryLimitBytes":67108864'),
      },
      ...{ hostname: 'site', network: 'pod', ipc: 'pod', pid: 'container' },
      portMappings: [{ protocol: 'TCP', containerPort: 80, hostPort: 8080, hostIp: '127.0.0.1' }],
      resources: {
        ...{ cpuLimitMillis: 500, cpuRequestMillis: 500 },
        ...{ memoryLimitBytes: 67108864, memoryRequestBytes: 67108864 },
      },
    });
    expect(backend.byName('web').config).toMatchObject({
      args: ['--at=last:h"%\n1', '$(HOST)', '$(NO)'],
      env: [
        { name: 'HOST', value: 'last' },
        { name: 'PORT', value: 'h"%\n1' },
      ],
      mounts: [{ hostPath: '/volumes/data', containerPath: '/data', readOnly: true, propagation: 'private' }],
      resources: { cpuLimitMillis: 500, memoryLimitBytes: 67108864 },
      security: {
        ...{ runAsUser: 5, runAsGroup: 2, supplementalGroups: [3] },
        ...{ dropCapabilities: ['ALL'], addCapabilities: [] },
      },
      restart: { by: 'backend', policy: 'Always' },
      terminationGraceMs: 7000,
    });
  });

  it.each<[string, (pod: Pod) => Pod]>([
    ['the uid', () => podOf({}, { name: 'other' })],
    ['the name', () => podOf({}, { uid: 'uid-2' })],
  ])('refuses a pod with %s of one that exists', async (_what, change) => {
    await runtime.runPod(podOf());
    expect(await kindOfFailure(runtime.runPod(change(podOf())))).toBe('already-exists');
    expect(backend.sandboxes.size).toBe(1);
  });

  it('refuses a second start of the same name while the first goes on', async () => {
    const results = await Promise.allSettled([
      runtime.runPod(podOf()),
      runtime.runPod(podOf({}, { uid: 'uid-2' })),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('takes the same name again after removePod, and in another namespace at once', async () => {
    await runtime.runPod(podOf());
    await runtime.runPod(podOf({}, { uid: 'uid-2', namespace: 'other' }));
    await runtime.removePod({ name: 'site' });
    await runtime.runPod(podOf({}, { uid: 'uid-3' }));
    expect((await runtime.getPods()).map(({ uid }) => uid).sort()).toEqual(['uid-2', 'uid-3']);
  });

  it.each([
    'setUp site',
    'runPodSandbox site',
    'createContainer init/0',
    'startContainer init/0',
    'createContainer web/0',
    'startContainer web/0',
  ])('undoes everything when %s fails', async (step) => {
    backend.exits.set('init', [0]);
    backend.hook = (call, subject) => {
      if (`${call} ${subject}` === step) throw new PodwrightError('port-in-use', 'the port is taken');
    };
    const pod = podOf({ initContainers: [{ name: 'init', image: 'init:1' }] });
    expect(await kindOfFailure(runtime.runPod(pod))).toBe('port-in-use');
    nothingIsLeft();
    expect(await store.list()).toEqual([]);
  });

  it.each(['setUp site', 'runPodSandbox site', 'createContainer web/0', 'startContainer web/0'])(
    'undoes everything when it is cancelled during %s',
    async (step) => {
      const controller = new AbortController();
      const reached = onCall(step, untilAborted);
      const run = kindOfFailure(runtime.runPod(podOf(), { signal: controller.signal }));
      await reached;
      controller.abort();
      expect(await run).toBe('cancelled');
      nothingIsLeft();
      expect(await store.list()).toEqual([]);
    },
  );

  it('calls what a backend throws of its own a failed start, and names the container', async () => {
    backend.hook = (call) => {
      if (call === 'startContainer') throw new Error('exec format error');
    };
    const failure = runtime.runPod(podOf());
    await expect(failure).rejects.toMatchObject({
      kind: 'container-start-failed',
      message: 'The container web could not be started: exec format error',
      details: { container: 'web' },
    });
    expect(reasons()).toContain('Failed spec.containers{web}');
  });

  it('does not fail when a container ends by itself at once', async () => {
    backend.exits.set('web', [7]);
    await runtime.runPod(podOf({ restartPolicy: 'Never' }));
    const status = await runtime.getPodStatus({ uid: 'uid-1' });
    expect(status.phase).toBe('Failed');
    expect(status.containers[0]?.attempts).toMatchObject([{ attempt: 0, exitCode: 7, reason: 'Error' }]);
  });

  it('keeps the record of what it could not undo, and garbage collection gets it', async () => {
    backend.hook = (call) => {
      if (call === 'startContainer' || call === 'removePodSandbox')
        throw new PodwrightError('internal', 'no');
    };
    await kindOfFailure(runtime.runPod(podOf()));
    expect((await store.get('uid-1'))?.state).toBe('preparing');
    backend.hook = () => undefined;
    const { removed } = await runtime.garbageCollect({
      minAgeMs: 1e9,
      maxPerPodContainer: -1,
      maxContainers: -1,
    });
    expect(removed).toContain('pod default/site that was never started in full');
    nothingIsLeft();
    expect(await store.list()).toEqual([]);
  });

  it('restarts by itself on a backend that does not', async () => {
    backend.features = { ...backend.features, supervisedRestart: false };
    await runtime.runPod(podOf());
    expect(backend.byName('web').config.restart).toEqual({ by: 'caller' });
  });

  it('refuses what is no manifest', async () => {
    const bad = { ...podOf(), metadata: { ...podOf().metadata, uid: '../../etc' } };
    expect(await kindOfFailure(runtime.runPod(bad))).toBe('invalid-manifest');
  });
});

describe('init containers', () => {
  const pod = (restartPolicy: string) =>
    podOf({ restartPolicy, initContainers: [{ name: 'init', image: 'init:1' }] });

  it('are tried again after a failure, with a growing delay', async () => {
    backend.exits.set('init', [1, 1, 1, 0]);
    await runtime.runPod(pod('OnFailure'));
    expect(clock.sleeps).toEqual([10_000, 20_000]);
    const status = await runtime.getPodStatus({ uid: 'uid-1' });
    expect(status.containers[0]).toMatchObject({ name: 'init', kind: 'init', restartCount: 3, ready: true });
    expect(status.containers[0]?.attempts.map(({ attempt, exitCode }) => [attempt, exitCode])).toEqual([
      [2, 1],
      [3, 0],
    ]);
    expect(reasons().filter((reason) => reason.startsWith('BackOff'))).toHaveLength(2);
  });

  it('fail the pod with Never, and the error carries the end of the log', async () => {
    backend.exits.set('init', [4]);
    const failure = runtime.runPod(pod('Never'));
    await expect(failure).rejects.toMatchObject({
      kind: 'container-start-failed',
      message: expect.stringContaining('exit code 4'),
      details: { container: 'init', exitCode: 4, log: 'init/0' },
    });
    nothingIsLeft();
  });

  it('block the containers until they have ended', async () => {
    const reached = onCall('startContainer init/0', async () => undefined);
    const run = runtime.runPod(pod('Never'));
    await reached;
    expect((await runtime.getPods())[0]).toMatchObject({ phase: 'Pending', containers: [{ name: 'init' }] });
    while (backend.byName('init').state !== 'running') await Promise.resolve();
    backend.endByName('init', 0);
    await run;
    expect(backend.byName('web').state).toBe('running');
  });
});

describe('images', () => {
  it.each([
    { policy: 'Always', present: true, pulls: 1 },
    { policy: 'IfNotPresent', present: true, pulls: 0 },
    { policy: 'IfNotPresent', present: false, pulls: 1 },
    { policy: 'Never', present: true, pulls: 0 },
  ] as const)('are pulled by policy: $policy, present: $present', async ({ policy, present, pulls }) => {
    if (present) await runtime.ensureImage('web:1', 'IfNotPresent');
    backend.calls.splice(0);
    await runtime.runPod(podOf({ containers: [{ name: 'web', image: 'web:1', imagePullPolicy: policy }] }));
    expect(backend.calls.filter((call) => call.startsWith('pullImage'))).toHaveLength(pulls);
  });

  it('that are nowhere are an error, and nothing is left behind', async () => {
    const never = podOf({ containers: [{ name: 'web', image: 'web:1', imagePullPolicy: 'Never' }] });
    expect(await kindOfFailure(runtime.runPod(never))).toBe('image-not-found');
    const missing = podOf({ containers: [{ name: 'web', image: 'missing' }] });
    expect(await kindOfFailure(runtime.runPod(missing))).toBe('image-not-found');
    expect(reasons()).toContain('Failed spec.containers{web}');
    nothingIsLeft();
    expect(await store.list()).toEqual([]);
    expect(await runtime.isImagePresent('web:1')).toBe(false);
  });
});

describe('killPod and removePod', () => {
  it('tells when a sandbox that the backend cannot show is not removed, and keeps the pod', async () => {
    const { uid } = await runtime.runPod(podOf());
    backend.sandboxes.clear();
    backend.hook = async (call) => {
      if (call === 'removePodSandbox') throw new PodwrightError('unsupported', 'of a newer version');
    };
    await expect(runtime.removePod({ uid })).rejects.toThrow(/of a newer version/);
    expect((await runtime.getPods({ all: true })).map((pod) => pod.uid)).toEqual([uid]);
  });

  it('removes sandboxes that the backend cannot show', async () => {
    const { uid } = await runtime.runPod(podOf());
    backend.sandboxes.clear();
    const removed: string[] = [];
    backend.hook = async (call, subject) => {
      if (call === 'removePodSandbox') removed.push(subject);
    };
    await runtime.removePod({ uid });
    expect(removed).toEqual(['sandbox-1']);
    nothingIsLeft();
  });

  it('ends all containers with one grace budget and keeps the record', async () => {
    await runtime.runPod(
      podOf({
        containers: [
          { name: 'web', image: 'web:1' },
          { name: 'side', image: 'web:1' },
        ],
      }),
    );
    backend.calls.splice(0);
    await runtime.killPod({ name: 'site' }, { graceMs: 50 });
    // The two were made side by side, so either may be the first.
    expect(backend.calls.slice(0, 2).toSorted()).toEqual(['stopContainer side 50', 'stopContainer web 50']);
    expect(backend.calls.slice(2)).toEqual(['stopPodSandbox sandbox-1']);
    expect(await runtime.getPods()).toEqual([]);
    expect((await runtime.getPods({ all: true }))[0]).toMatchObject({ phase: 'Failed' });
    expect(reasons()).toContain('Killing spec.containers{side}');
  });

  it('needs no manifest: a running pod of another store is enough', async () => {
    await runtime.runPod(podOf());
    await store.delete('uid-1');
    expect((await runtime.getPods())[0]).toMatchObject({ uid: 'uid-1', name: 'site', phase: 'Running' });
    await runtime.killPod({ uid: 'uid-1' });
    expect(backend.byName('web').state).toBe('exited');
  });

  it('does nothing for a pod that is gone', async () => {
    await runtime.killPod({ uid: 'nobody' });
    await runtime.killPod({ name: 'nobody' });
    await runtime.removePod({ name: 'nobody' });
    expect(events).toEqual([]);
  });

  it('breaks off a start of the same pod', async () => {
    const reached = onCall('startContainer init/0', async () => undefined);
    const run = kindOfFailure(runtime.runPod(podOf({ initContainers: [{ name: 'init', image: 'init:1' }] })));
    await reached;
    await runtime.killPod({ name: 'site' });
    expect(await run).toBe('cancelled');
    nothingIsLeft();
  });

  it('stops the sandbox although a container could not be stopped, and tells of it', async () => {
    await runtime.runPod(podOf());
    backend.hook = (call) => {
      if (call === 'stopContainer') throw new PodwrightError('unavailable', 'the bus is gone');
    };
    expect(await kindOfFailure(runtime.killPod({ uid: 'uid-1' }))).toBe('unavailable');
    expect([...backend.sandboxes.values()][0]?.state).toBe('not-ready');
  });

  it('removes everything of a pod, running or not', async () => {
    await runtime.runPod(podOf());
    await runtime.removePod({ uid: 'uid-1' });
    nothingIsLeft();
    expect(await store.list()).toEqual([]);
    expect(reasons().at(-1)).toBe('Removed site');
    expect(await kindOfFailure(runtime.getPodStatus({ uid: 'uid-1' }))).toBe('not-found');
  });
});

describe('getPods and getPodStatus', () => {
  it('filter by namespace and labels, running ones only by default', async () => {
    await runtime.runPod(podOf({}, { labels: { app: 'a', tier: 'x' } }));
    await runtime.runPod(podOf({}, { uid: 'uid-2', name: 'two', namespace: 'ns', labels: { app: 'a' } }));
    await runtime.killPod({ name: 'two', namespace: 'ns' });
    const uids = async (filter: Parameters<ContainerRuntime['getPods']>[0]) =>
      (await runtime.getPods(filter)).map(({ uid }) => uid).sort();
    expect(await uids({})).toEqual(['uid-1']);
    expect(await uids({ all: true })).toEqual(['uid-1', 'uid-2']);
    expect(await uids({ all: true, namespace: 'ns' })).toEqual(['uid-2']);
    expect(await uids({ all: true, labels: { app: 'a' } })).toEqual(['uid-1', 'uid-2']);
    expect(await uids({ all: true, labels: { app: 'a', tier: 'x' } })).toEqual(['uid-1']);
  });

  it('count the restarts by the backend and make a Kubernetes status of them', async () => {
    await runtime.runPod(podOf());
    backend.endByName('web', 7, 10_000);
    const waiting = await runtime.getPodStatus({ name: 'site' });
    expect(waiting.phase).toBe('Running');
    expect(toApiPodStatus(waiting.manifest, waiting).containerStatuses[0]).toMatchObject({
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 7 } },
    });
    backend.restartByName('web');
    const again = await runtime.getPodStatus({ name: 'site' });
    expect(again.containers[0]).toMatchObject({ state: 'running', restartCount: 1, ready: true });
  });

  it('are the same for the next agent', async () => {
    await runtime.runPod(podOf({}, { annotations: { a: '  x\n' } }));
    const before = await runtime.getPodStatus({ uid: 'uid-1' });
    await runtime[Symbol.asyncDispose]();
    runtime = await startAgent();
    expect(await runtime.getPodStatus({ uid: 'uid-1' })).toEqual(before);
  });

  it('clean up after an agent that died while it started a pod', async () => {
    await runtime.runPod(podOf());
    const record = await store.get('uid-1');
    await runtime[Symbol.asyncDispose]();
    await store.put({ ...record, state: 'preparing' } as PodRecord);
    runtime = await startAgent();
    nothingIsLeft();
    expect(await runtime.getPods({ all: true })).toEqual([]);
  });
});

describe('containers by name', () => {
  it('may be left out when there is one', async () => {
    await runtime.runPod(podOf());
    const result = await runtime.runInContainer({ name: 'site' }, ['true', 'x']);
    expect([result.stdout.toString(), result.exitCode]).toEqual(['web: true x', 3]);
  });

  it('have to be named when there are several, and have to exist', async () => {
    const containers = ['web', 'side'].map((name) => ({ name, image: 'web:1' }));
    await runtime.runPod(podOf({ containers }));
    expect(await kindOfFailure(runtime.runInContainer({ name: 'site' }, ['true']))).toBe('invalid-argument');
    const no = { name: 'site', container: 'no' };
    await expect(runtime.runInContainer(no, ['true'])).rejects.toThrow('it has: side, web');
    expect(await kindOfFailure(runtime.runInContainer({ name: 'no' }, ['true']))).toBe('not-found');
  });

  it('give the log of the attempt before, made by the caller or by the backend', async () => {
    backend.exits.set('init', [1, 0]);
    await runtime.runPod(podOf({ initContainers: [{ name: 'init', image: 'init:1' }] }));
    const read = async (container: string, previous: boolean) => {
      const lines: string[] = [];
      const options = previous ? { previous } : {};
      for await (const { line } of runtime.getContainerLogs({ name: 'site', container }, options)) {
        lines.push(line.toString());
      }
      return lines;
    };
    expect(await read('init', false)).toEqual(['init/1']);
    expect(await read('init', true)).toEqual(['init/0']);
    backend.endByName('web', 1, 0);
    backend.restartByName('web');
    expect(await read('web', true)).toEqual(['web/0 previous']);
  });

  it('forward a port of a pod that runs, and of no other', async () => {
    await runtime.runPod(podOf());
    const stream = await runtime.portForward({ name: 'site' }, 80);
    expect(stream.read()?.toString()).toBe('sandbox-1 80');
    expect(await kindOfFailure(runtime.portForward({ name: 'site' }, 70000))).toBe('invalid-argument');
    await runtime.killPod({ name: 'site' });
    expect(await kindOfFailure(runtime.portForward({ name: 'site' }, 80))).toBe('failed-precondition');
    expect(await kindOfFailure(runtime.portForward({ name: 'no' }, 80))).toBe('not-found');
  });
});

describe('garbageCollect', () => {
  it('touches nothing that runs', async () => {
    await runtime.runPod(podOf());
    expect(await runtime.garbageCollect(EVERYTHING, { allSourcesReady: true })).toEqual({
      removed: ['orphan'],
      marked: [],
      errors: [],
    });
    expect(backend.byName('web').state).toBe('running');
  });

  it('removes a killed pod when it is old enough and nothing of it is to be kept', async () => {
    await runtime.runPod(podOf());
    await runtime.killPod({ uid: 'uid-1' });
    await runtime.garbageCollect({ ...EVERYTHING, minAgeMs: 1000 });
    await runtime.garbageCollect({ ...EVERYTHING, maxPerPodContainer: 1, maxContainers: -1 });
    expect(await runtime.getPods({ all: true })).toHaveLength(1);
    clock.time += 1000;
    const { removed } = await runtime.garbageCollect({ ...EVERYTHING, minAgeMs: 1000 });
    expect(removed).toEqual(['pod default/site (uid-1)', 'orphan']);
    nothingIsLeft();
    expect(await store.list()).toEqual([]);
  });

  it('removes forgotten pods only when all sources are ready', async () => {
    await runtime.runPod(podOf({ restartPolicy: 'Never' }));
    backend.endByName('web', 0);
    await store.delete('uid-1');
    await runtime.garbageCollect(EVERYTHING);
    expect(backend.sandboxes.size).toBe(1);
    await runtime.garbageCollect(EVERYTHING, { allSourcesReady: true });
    nothingIsLeft();
  });

  it('goes on after a failure and tells of it', async () => {
    for (const uid of ['uid-1', 'uid-2']) {
      await runtime.runPod(podOf({}, { uid, name: uid }));
      await runtime.killPod({ uid });
    }
    const broken = [...backend.sandboxes.values()].find(({ metadata }) => metadata.uid === 'uid-1')?.id;
    backend.hook = (call, subject) => {
      if (call === 'removePodSandbox' && subject === broken) throw new PodwrightError('internal', 'busy');
    };
    const { removed, errors } = await runtime.garbageCollect(EVERYTHING);
    expect(removed).toContain('pod default/uid-2 (uid-2)');
    expect(errors).toHaveLength(1);
    expect((await store.list()).map(({ uid }) => uid)).toEqual(['uid-1']);
  });
});

describe('the life of a runtime', () => {
  it('tells the events of a pod with the kubelet’s reasons', async () => {
    await runtime.runPod(podOf({ restartPolicy: 'OnFailure' }));
    backend.endByName('web', 1, 10_000);
    backend.restartByName('web');
    await runtime.killPod({ uid: 'uid-1' });
    await expect.poll(() => reasons().at(-1)).toBe('Exited spec.containers{web}');
    expect(new Set(reasons())).toEqual(
      new Set([
        'Pulling spec.containers{web}',
        'Pulled spec.containers{web}',
        'SandboxCreated site',
        'Created spec.containers{web}',
        'Started spec.containers{web}',
        'Exited spec.containers{web}',
        'BackOff spec.containers{web}',
        'Killing spec.containers{web}',
      ]),
    );
    expect(events.find(({ reason }) => reason === 'BackOff')?.message).toBe(
      'Container web is started again in 10 s.',
    );
  });

  it('refuses calls before start and after the end', async () => {
    const fresh = await agentOver(backend, clock);
    expect(await kindOfFailure(fresh.getPods())).toBe('failed-precondition');
    await runtime[Symbol.asyncDispose]();
    expect(await kindOfFailure(runtime.getPods())).toBe('closed');
  });

  it('starts once, however often it is asked, and again after a failure', async () => {
    const fresh = await agentOver(backend, clock);
    backend.startFailure = new PodwrightError('missing-requirement', 'no crun');
    expect(await kindOfFailure(fresh.start())).toBe('missing-requirement');
    backend.startFailure = undefined;
    backend.calls.splice(0);
    await Promise.all([fresh.start(), fresh.start()]);
    await fresh.start();
    expect(backend.calls).toEqual(['start ']);
    expect(await fresh.getPods()).toEqual([]);
  });

  it('breaks off and undoes what it is starting when it is closed', async () => {
    const reached = onCall('createContainer web/0', untilAborted);
    const run = kindOfFailure(runtime.runPod(podOf()));
    await reached;
    await runtime[Symbol.asyncDispose]();
    expect(await run).toBe('cancelled');
    nothingIsLeft();
  });

  it('disposes of images and service, and closes its store also when one of them fails', async () => {
    const ended: string[] = [];
    const end = async (what: string) => {
      ended.push(what);
      if (what === 'images') throw new Error('stuck');
    };
    const images: ImageService = Object.create(backend, {
      [Symbol.asyncDispose]: { value: () => end('images') },
    });
    backend[Symbol.asyncDispose] = () => end('service');
    store.close = () => end('store');
    const agent = await agentOver(backend, clock, async (container) => {
      (await container.rebind(PodStore)).toConstantValue(store);
      (await container.rebind(ImageService)).toConstantValue(images);
    });
    await agent.start();
    await expect(agent[Symbol.asyncDispose]()).rejects.toThrow('stuck');
    expect(ended).toEqual(['images', 'service', 'store']);
    await agent[Symbol.asyncDispose]();
  });

  it('disposes once of a backend that is both in one', async () => {
    let ended = 0;
    backend[Symbol.asyncDispose] = async () => void ended++;
    await runtime[Symbol.asyncDispose]();
    expect(ended).toBe(1);
  });

  it('passes on what the backend is', async () => {
    expect([runtime.type, runtime.features.supervisedRestart]).toEqual(['fake', true]);
    expect((await runtime.version()).runtimeVersion).toBe('1.2.3');
    expect((await runtime.status()).conditions[0]?.status).toBe(true);
  });
});
