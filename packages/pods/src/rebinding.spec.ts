import {
  Clock,
  ContainerOptionsGenerator,
  type ContainerRuntime,
  EventRecorder,
  Logger,
  type PodEvent,
  type PodRecord,
  PodStore,
  ProbeResults,
  silentLogger,
  toApiPodStatus,
  VolumeProvider,
} from '@podwright/core';
import type { Container } from 'inversify';
import { afterEach, describe, expect, it } from 'vitest';
import { agentOver, FakeBackend, podOf } from './fake-backend.spec-helper.js';
import { ManifestContainerOptionsGenerator } from './manifest-container-options-generator.js';
import { ManualClock } from './manual-clock.spec-helper.js';
import { MemoryPodStore } from './memory-pod-store.js';
import { NodeFacts } from './node-facts.js';

const clock = new ManualClock();
let runtime: ContainerRuntime | undefined;

/** Runs a pod with one part replaced. */
async function runWith(change: (container: Container) => Promise<void>): Promise<FakeBackend> {
  const backend = new FakeBackend(clock);
  runtime = await agentOver(backend, clock, change);
  await runtime.start();
  await runtime.runPod(
    podOf({
      containers: [{ name: 'web', image: 'web:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      volumes: [{ name: 'data', emptyDir: {} }],
    }),
  );
  return backend;
}

afterEach(async () => {
  await runtime?.[Symbol.asyncDispose]();
  runtime = undefined;
});

describe('rebinding a token changes a real pod', () => {
  it('ContainerOptionsGenerator: adds an environment variable, but cannot change identity or restarts', async () => {
    const plain = new ManifestContainerOptionsGenerator();
    const backend = await runWith(async (container) => {
      (await container.rebind(ContainerOptionsGenerator)).toConstantValue({
        generate: async (context) => ({
          ...(await plain.generate(context)),
          env: [{ name: 'NODE_NAME', value: context.sandbox.ips[0] ?? '' }],
          metadata: { name: 'other', attempt: 9 },
          restart: { by: 'caller' },
        }),
      });
    });
    expect(backend.byName('web').config).toMatchObject({
      env: [{ name: 'NODE_NAME', value: '10.0.0.2' }],
      metadata: { name: 'web', attempt: 0 },
      restart: { by: 'backend', policy: 'Always' },
    });
  });

  it('VolumeProvider: gives the volume from elsewhere', async () => {
    const backend = await runWith(async (container) => {
      (await container.rebind(VolumeProvider)).toConstantValue({
        setUp: async () => new Map([['data', '/elsewhere']]),
        update: async () => undefined,
        usage: async () => [],
        tearDown: async () => undefined,
      });
    });
    expect(backend.byName('web').mounts).toMatchObject([{ hostPath: '/elsewhere', containerPath: '/data' }]);
  });

  it('NodeFacts: tells pods of another node', async () => {
    const backend = new FakeBackend(clock);
    runtime = await agentOver(backend, clock, async (container) => {
      (await container.rebind(NodeFacts)).toConstantValue({
        name: () => 'node-7',
        ips: async () => ['192.0.2.7'],
        capacity: async () => ({ cpuMillis: 3000, memoryBytes: 1, ephemeralStorageBytes: 1 }),
      });
    });
    await runtime.start();
    const env = [
      { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
      { name: 'CPUS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
    ];
    await runtime.runPod(podOf({ containers: [{ name: 'web', image: 'web:1', env }] }));
    expect(backend.byName('web').config.env).toEqual([
      { name: 'NODE', value: 'node-7' },
      { name: 'HOST', value: '192.0.2.7' },
      { name: 'CPUS', value: '3' },
    ]);
  });

  it('EventRecorder: hears every event, and its failure harms neither the pod nor the events', async () => {
    const recorded: PodEvent[] = [];
    const heard: PodEvent[] = [];
    await runWith(async (container) => {
      (await container.rebind(EventRecorder)).toConstantValue({
        record: (event) => {
          recorded.push(event);
          throw new Error('the recorder is broken');
        },
      });
    });
    runtime?.events.subscribe((event) => heard.push(event));
    await runtime?.killPod({ uid: 'uid-1' });
    await expect.poll(() => heard.map(({ reason }) => reason)).toEqual(['Killing', 'Exited']);
    expect(recorded.map(({ reason }) => reason)).toEqual([
      ...['Pulling', 'Pulled', 'SandboxCreated', 'Created', 'Started', 'Killing', 'Exited'],
    ]);
    expect(recorded[1]).toMatchObject({
      object: { kind: 'Pod', uid: 'uid-1', namespace: 'default', fieldPath: 'spec.containers{web}' },
    });
  });

  it('ProbeResults: a container that runs is not ready', async () => {
    await runWith(async (container) => {
      (await container.rebind(ProbeResults)).toConstantValue({
        readiness: () => 'failure',
        liveness: () => 'success',
        startup: () => 'success',
      });
    });
    const status = await runtime?.getPodStatus({ uid: 'uid-1' });
    if (!status) throw new Error('no status');
    const api = toApiPodStatus(status.manifest, status);
    expect(api.containerStatuses[0]).toMatchObject({ ready: false, state: { running: {} } });
    expect(api.conditions.find(({ type }) => type === 'Ready')?.status).toBe('False');
  });

  it('Logger: hears of the pod by the default event recorder', async () => {
    const lines: string[] = [];
    await runWith(async (container) => {
      (await container.rebind(Logger)).toConstantValue({
        ...silentLogger,
        info: (message, fields) => lines.push(`${fields?.['pod']} ${message}`),
      });
    });
    await expect.poll(() => lines).toContain('default/site Started: Container web was started.');
  });

  it('Clock: says when the pod was created', async () => {
    await runWith(async (container) => {
      (await container.rebind(Clock)).toConstantValue({ nowMs: () => 42, sleep: async () => undefined });
    });
    expect((await runtime?.getPodStatus({ uid: 'uid-1' }))?.createdAtMs).toBe(42);
  });

  it('PodStore: remembers the pod', async () => {
    class TellingStore extends MemoryPodStore {
      readonly states: string[] = [];
      override async put(record: PodRecord): Promise<void> {
        this.states.push(record.state);
        await super.put(record);
      }
    }
    const store = new TellingStore();
    await runWith(async (container) => {
      (await container.rebind(PodStore)).toConstantValue(store);
    });
    await runtime?.killPod({ uid: 'uid-1' });
    expect(store.states).toEqual(['preparing', 'running', 'killed']);
  });
});
