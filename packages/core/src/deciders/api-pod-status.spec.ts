import { describe, expect, it } from 'vitest';
import { parsePod } from '../manifest/pod.js';
import type { PodContainer, PodStatus } from '../pod-types.js';
import { type ApiPodStatus, toApiPodStatus } from './api-pod-status.js';

const MANIFEST = parsePod({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'site', uid: 'u' },
  spec: {
    initContainers: [{ name: 'init', image: 'i:1' }],
    containers: [
      { name: 'web', image: 'w:1' },
      { name: 'side', image: 's:1' },
    ],
  },
});
const T = (ms: number) => new Date(ms).toISOString();

function container(name: string, fields: Partial<PodContainer>): PodContainer {
  return {
    ...{ name, id: `systemd://${name}`, kind: name === 'init' ? 'init' : 'app', state: 'running' },
    ...{ image: 'img', imageId: 'sha256:1', createdAtMs: 1000, restartCount: 0, ready: false, attempts: [] },
    ...fields,
  };
}

const INIT_DONE = container('init', {
  ...{ state: 'exited', ready: true },
  attempts: [{ attempt: 0, startedAtMs: 2000, finishedAtMs: 3000, exitCode: 0, reason: 'Completed' }],
});
const SIDE = container('side', { ready: true, attempts: [{ attempt: 0, startedAtMs: 4000 }] });

function statusOf(containers: readonly PodContainer[], fields: Partial<PodStatus> = {}): PodStatus {
  return {
    ...{ uid: 'u', name: 'site', namespace: 'default', labels: {}, annotations: {}, createdAtMs: 500 },
    ...{ phase: 'Running', ips: ['10.0.0.2', 'fd00::2'], containers, sandboxIds: ['s'], sandboxReady: true },
    ...fields,
  };
}

function conditionsOf(api: ApiPodStatus): Readonly<Record<string, string>> {
  return Object.fromEntries(api.conditions.map(({ type, status }) => [type, status]));
}

describe('toApiPodStatus', () => {
  it('shows a pod that runs', () => {
    const web = container('web', { ready: true, attempts: [{ attempt: 0, startedAtMs: 5000 }] });
    const api = toApiPodStatus(MANIFEST, statusOf([INIT_DONE, web, SIDE]), { hostIps: ['192.0.2.1'] });
    expect(api).toMatchObject({
      ...{ phase: 'Running', hostIP: '192.0.2.1', hostIPs: [{ ip: '192.0.2.1' }] },
      ...{ podIP: '10.0.0.2', podIPs: [{ ip: '10.0.0.2' }, { ip: 'fd00::2' }] },
      ...{ startTime: '1970-01-01T00:00:00.500Z', qosClass: 'BestEffort' },
      conditions: [
        { type: 'PodReadyToStartContainers', status: 'True' },
        { type: 'Initialized', status: 'True', lastTransitionTime: T(3000) },
        { type: 'Ready', status: 'True', lastTransitionTime: T(5000) },
        { type: 'ContainersReady', status: 'True' },
        { type: 'PodScheduled', status: 'True', lastTransitionTime: T(500) },
      ],
    });
    expect(api.containerStatuses[0]).toEqual({
      ...{
        name: 'web',
        state: { running: { startedAt: T(5000) } },
        lastState: {},
        ready: true,
        started: true,
      },
      ...{ restartCount: 0, image: 'img', imageID: 'sha256:1', containerID: 'systemd://web' },
    });
    expect(api.initContainerStatuses?.[0]).toMatchObject({
      ready: true,
      state: { terminated: { exitCode: 0 } },
    });
  });

  it('shows what is not there yet as waiting', () => {
    const pending = toApiPodStatus(MANIFEST, statusOf([container('init', {})], { phase: 'Pending' }));
    expect(pending.containerStatuses.map(({ state }) => state.waiting?.reason)).toEqual([
      ...['PodInitializing', 'PodInitializing'],
    ]);
    expect(conditionsOf(pending)).toMatchObject({ Initialized: 'False', Ready: 'False' });
    expect(pending.conditions[1]).toMatchObject({
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [init]',
    });
    const simple = parsePod({ ...MANIFEST, spec: { containers: MANIFEST.spec.containers } });
    const early = toApiPodStatus(simple, statusOf([], { phase: 'Pending', ips: [], sandboxReady: false }));
    expect(early.containerStatuses[0]).toEqual({
      ...{ name: 'web', state: { waiting: { reason: 'ContainerCreating' } }, lastState: {}, ready: false },
      ...{ started: false, restartCount: 0, image: 'w:1', imageID: '' },
    });
    expect(conditionsOf(early)['PodReadyToStartContainers']).toBe('False');
    expect(early).not.toHaveProperty('podIP');
    expect(early).not.toHaveProperty('initContainerStatuses');
  });

  const failed = {
    attempt: 0,
    startedAtMs: 5000,
    finishedAtMs: 6000,
    exitCode: 137,
    signal: 9,
    reason: 'OOMKilled',
  };
  it.each<[string, Partial<PodContainer>, object]>([
    [
      'a crash loop',
      { state: 'waiting', restartCount: 1, attempts: [failed] },
      {
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: { terminated: { exitCode: 137, signal: 9, reason: 'OOMKilled', finishedAt: T(6000) } },
      },
    ],
    [
      'a restart',
      { state: 'running', restartCount: 1, attempts: [failed, { attempt: 1, startedAtMs: 7000 }] },
      {
        state: { running: { startedAt: T(7000) } },
        lastState: { terminated: { exitCode: 137 } },
        restartCount: 1,
      },
    ],
    [
      'an end after a restart',
      {
        state: 'exited',
        attempts: [failed, { attempt: 1, startedAtMs: 7000, finishedAtMs: 8000, exitCode: 0 }],
      },
      {
        state: { terminated: { exitCode: 0, reason: 'Completed', startedAt: T(7000), finishedAt: T(8000) } },
        lastState: { terminated: { exitCode: 137 } },
      },
    ],
    [
      'a container that could not be made',
      { state: 'created', reason: 'CreateContainerError', message: 'no' },
      { state: { waiting: { reason: 'CreateContainerError', message: 'no' } } },
    ],
    [
      'an end that nobody saw',
      { state: 'unknown', attempts: [{ attempt: 0, startedAtMs: 5000 }] },
      { state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } } },
    ],
  ])('shows %s', (_what, fields, expected) => {
    const api = toApiPodStatus(MANIFEST, statusOf([INIT_DONE, container('web', fields), SIDE]));
    expect(api.containerStatuses[0]).toMatchObject(expected);
    expect(api.conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [web]',
    });
    expect(conditionsOf(api)['Initialized']).toBe('True');
  });

  it('calls a pod that has ended well completed', () => {
    const web = container('web', { state: 'exited', attempts: INIT_DONE.attempts });
    const api = toApiPodStatus(MANIFEST, statusOf([web], { phase: 'Succeeded' }));
    expect(api.conditions.find(({ type }) => type === 'Ready')).toMatchObject({ reason: 'PodCompleted' });
  });

  it('does with what the backend knows when there is no manifest', () => {
    const web = container('web', { ready: true, attempts: [{ attempt: 0, startedAtMs: 5000 }] });
    const api = toApiPodStatus(undefined, statusOf([web]));
    expect(api.containerStatuses.map(({ name }) => name)).toEqual(['web']);
    expect(api).not.toHaveProperty('qosClass');
    expect(api).not.toHaveProperty('hostIP');
  });
});
