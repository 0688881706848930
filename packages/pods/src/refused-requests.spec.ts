import { type ContainerRuntime, type EphemeralContainer, PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentOver, FakeBackend, podOf } from './fake-backend.spec-helper.js';
import { ManualClock } from './manual-clock.spec-helper.js';

let backend: FakeBackend;
let runtime: ContainerRuntime;

beforeEach(async () => {
  const clock = new ManualClock();
  backend = new FakeBackend(clock);
  backend.features = { ...backend.features, persist: true };
  runtime = await agentOver(backend, clock);
  await runtime.start();
});

afterEach(async () => {
  await runtime[Symbol.asyncDispose]();
});

async function failureOf(call: Promise<unknown>): Promise<PodwrightError> {
  const error = await call.then(
    () => new Error('It did not fail.'),
    (reason: unknown) => reason,
  );
  if (PodwrightError.is(error)) return error;
  throw error;
}

describe('whether a pod persists, when it is synced', () => {
  it.each([
    [true, undefined],
    [false, true],
  ])('cannot become %s while it runs with %s', async (wanted, had) => {
    const pod = podOf({ containers: [{ name: 'web', image: 'web:1' }] });
    const { uid } = await runtime.runPod(pod, had === undefined ? {} : { persist: had });
    const { kind, message } = await failureOf(runtime.syncPod(pod, { persist: wanted }));
    expect(kind).toBe('failed-precondition');
    expect(message).toMatch(/remove it first/);
    expect(await runtime.getPodStatus({ uid })).toMatchObject(had === undefined ? {} : { persist: had });
    // As it is, and left open, it goes on.
    await runtime.syncPod(pod, { persist: had ?? false });
    await runtime.syncPod(pod);
    expect(backend.calls.filter((call) => call.startsWith('runPodSandbox'))).toHaveLength(1);
  });

  it('is what the newest call says for a pod that was killed', async () => {
    const pod = podOf({ containers: [{ name: 'web', image: 'web:1' }] });
    const { uid } = await runtime.runPod(pod);
    await runtime.killPod({ uid });
    await runtime.syncPod(pod, { persist: true });
    expect([...backend.sandboxes.values()].at(-1)?.config.persist).toBe(true);
  });
});

describe('a container that is added to a running pod', () => {
  it.each([
    ['ports', [{ containerPort: 80 }]],
    ['resources', { limits: { cpu: '1' } }],
    ['lifecycle', { preStop: { exec: { command: ['true'] } } }],
    ['livenessProbe', { exec: { command: ['true'] } }],
    ['resizePolicy', [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }]],
    ['volumeMounts', [{ name: 'data', mountPath: '/data' }]],
  ])('cannot have %s', async (field, value) => {
    const { uid } = await runtime.runPod(podOf({ containers: [{ name: 'web', image: 'web:1' }] }));
    const container: EphemeralContainer = { name: 'debug', image: 'busybox', ...{ [field]: value } };
    const { kind, message } = await failureOf(runtime.runEphemeralContainer({ uid }, container));
    expect(kind).toBe('invalid-argument');
    expect(message).toContain(`${field}, which`);
  });
});
