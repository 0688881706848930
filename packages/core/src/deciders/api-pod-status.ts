import type { Pod } from '../manifest/pod.js';
import type { ContainerAttempt } from '../model.js';
import type { ContainerKind, PodContainer, PodPhase, PodStatus } from '../pod-types.js';
import { type QosClass, qosClass } from './resources.js';

/** A moment in RFC 3339, as Kubernetes writes it. */
export type ApiTime = string;

export interface ApiTerminatedState {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason: string;
  readonly message?: string;
  readonly startedAt: ApiTime;
  readonly finishedAt?: ApiTime;
  readonly containerID: string;
}

export interface ApiContainerState {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: ApiTime };
  readonly terminated?: ApiTerminatedState;
}

export interface ApiContainerStatus {
  readonly name: string;
  readonly state: ApiContainerState;
  readonly lastState: ApiContainerState;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly image: string;
  readonly imageID: string;
  readonly containerID?: string;
  readonly started: boolean;
}

export interface ApiPodCondition {
  readonly type: 'PodReadyToStartContainers' | 'Initialized' | 'Ready' | 'ContainersReady' | 'PodScheduled';
  readonly status: 'True' | 'False';
  readonly lastTransitionTime: ApiTime;
  readonly reason?: string;
  readonly message?: string;
}

/** Kubernetes' v1.PodStatus, as JSON. */
export interface ApiPodStatus {
  readonly phase: PodPhase;
  readonly reason?: string;
  readonly message?: string;
  readonly conditions: readonly ApiPodCondition[];
  readonly hostIP?: string;
  readonly hostIPs?: readonly { readonly ip: string }[];
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly startTime: ApiTime;
  readonly initContainerStatuses?: readonly ApiContainerStatus[];
  readonly containerStatuses: readonly ApiContainerStatus[];
  readonly ephemeralContainerStatuses?: readonly ApiContainerStatus[];
  readonly qosClass?: QosClass;
}

/** What the status of a pod does not tell about the machine it runs on. */
export interface ApiPodStatusOptions {
  /** The node's addresses, the primary one first. */
  readonly hostIps?: readonly string[];
}

/**
 * A pod's status as Kubernetes' API shows it.
 * @param manifest the pod's manifest: containers come in its order, also those that were not made yet
 * @param status of `getPodStatus`
 */
export function toApiPodStatus(
  manifest: Pod | undefined,
  status: PodStatus,
  options: ApiPodStatusOptions = {},
): ApiPodStatus {
  const inits = containersOf(manifest?.spec.initContainers, status, 'init');
  const apps = containersOf(manifest?.spec.containers, status, 'app');
  const ephemeral = containersOf(undefined, status, 'ephemeral');
  const wait = inits.length > 0 ? 'PodInitializing' : 'ContainerCreating';
  const [hostIp, podIp] = [options.hostIps?.[0], status.ips[0]];
  return {
    phase: status.phase,
    ...(status.reason === undefined ? {} : { reason: status.reason }),
    ...(status.message === undefined ? {} : { message: status.message }),
    conditions: conditions(status, inits, apps),
    ...(hostIp === undefined ? {} : { hostIP: hostIp }),
    ...(options.hostIps === undefined ? {} : { hostIPs: options.hostIps.map((ip) => ({ ip })) }),
    ...(podIp === undefined ? {} : { podIP: podIp, podIPs: status.ips.map((ip) => ({ ip })) }),
    startTime: toTime(status.createdAtMs),
    ...(inits.length === 0
      ? {}
      : { initContainerStatuses: inits.map((entry) => containerStatus(entry, wait)) }),
    containerStatuses: apps.map((entry) => containerStatus(entry, wait)),
    ...(ephemeral.length === 0
      ? {}
      : { ephemeralContainerStatuses: ephemeral.map((entry) => containerStatus(entry, wait)) }),
    ...(manifest === undefined ? {} : { qosClass: qosClass(manifest) }),
  };
}

/** A container of the manifest, and what there is of it. */
interface Entry {
  readonly name: string;
  readonly image: string;
  readonly container?: PodContainer;
}

function containersOf(
  listed: Pod['spec']['containers'] | undefined,
  status: PodStatus,
  kind: ContainerKind,
): readonly Entry[] {
  const made = status.containers.filter((container) => container.kind === kind);
  if (!listed) return made.map((container) => ({ name: container.name, image: container.image, container }));
  return listed.map(({ name, image }) => {
    const container = made.find((candidate) => candidate.name === name);
    return { name, image, ...(container ? { container } : {}) };
  });
}

function containerStatus({ name, image, container }: Entry, waitReason: string): ApiContainerStatus {
  if (!container) {
    return {
      name,
      state: { waiting: { reason: waitReason } },
      lastState: {},
      ready: false,
      restartCount: 0,
      image,
      imageID: '',
      started: false,
    };
  }
  const state = containerState(container);
  // While it waits or runs the last state is the end of an attempt before; an ended one shows its own end as state.
  const ended = container.attempts.filter(({ finishedAtMs }) => finishedAtMs !== undefined);
  const last = state.terminated ? ended.at(-2) : ended.at(-1);
  return {
    name,
    state,
    lastState: last ? { terminated: terminated(container, last) } : {},
    ready: container.ready,
    restartCount: container.restartCount,
    image: container.image,
    imageID: container.imageId,
    containerID: container.id,
    started: container.started ?? container.state === 'running',
  };
}

function containerState(container: PodContainer): ApiContainerState {
  const attempt = container.attempts.at(-1);
  const message = container.message === undefined ? {} : { message: container.message };
  switch (container.state) {
    case 'created':
      return { waiting: { reason: container.reason ?? 'ContainerCreating', ...message } };
    case 'running':
      return { running: { startedAt: toTime(attempt?.startedAtMs ?? container.createdAtMs) } };
    case 'waiting':
      return { waiting: { reason: container.reason ?? 'CrashLoopBackOff', ...message } };
    case 'exited':
      return {
        terminated: terminated(container, attempt ?? { attempt: 0, startedAtMs: container.createdAtMs }),
      };
    case 'unknown':
      return {
        terminated: {
          // The kubelet's words for a container whose end nobody saw.
          ...terminated(container, attempt ?? { attempt: 0, startedAtMs: container.createdAtMs }),
          exitCode: attempt?.exitCode ?? 137,
          reason: 'ContainerStatusUnknown',
        },
      };
  }
}

function terminated(container: PodContainer, attempt: ContainerAttempt): ApiTerminatedState {
  const message = attempt.message ?? container.message;
  return {
    exitCode: attempt.exitCode ?? 128,
    ...(attempt.signal === undefined ? {} : { signal: attempt.signal }),
    reason: attempt.reason ?? container.reason ?? (attempt.exitCode === 0 ? 'Completed' : 'Error'),
    ...(message === undefined ? {} : { message }),
    startedAt: toTime(attempt.startedAtMs),
    ...(attempt.finishedAtMs === undefined ? {} : { finishedAt: toTime(attempt.finishedAtMs) }),
    containerID: container.id,
  };
}

function conditions(
  status: PodStatus,
  inits: readonly Entry[],
  apps: readonly Entry[],
): readonly ApiPodCondition[] {
  const isDone = status.phase === 'Succeeded';
  const unready = apps.filter(({ container }) => !container?.ready).map(({ name }) => name);
  const wasStarted = apps.some(({ container }) => (container?.attempts.length ?? 0) > 0);
  const uninitialized = wasStarted
    ? []
    : inits.filter(({ container }) => !container?.ready).map(({ name }) => name);
  const lastInit = latest(status.createdAtMs, inits, ({ finishedAtMs }) => finishedAtMs);
  const lastChange = latest(lastInit, apps, ({ startedAtMs, finishedAtMs }) => finishedAtMs ?? startedAtMs);
  const unreadyReason = isDone
    ? { reason: 'PodCompleted' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const ready = {
    isTrue: unready.length === 0 && apps.length > 0,
    atMs: lastChange,
    otherwise: unreadyReason,
  };
  return [
    condition('PodReadyToStartContainers', { isTrue: status.sandboxReady, atMs: status.createdAtMs }),
    condition('Initialized', {
      isTrue: uninitialized.length === 0,
      atMs: lastInit,
      otherwise: {
        reason: 'ContainersNotInitialized',
        message: `containers with incomplete status: [${uninitialized.join(' ')}]`,
      },
    }),
    condition('Ready', ready),
    condition('ContainersReady', ready),
    condition('PodScheduled', { isTrue: true, atMs: status.createdAtMs }),
  ];
}

function condition(
  type: ApiPodCondition['type'],
  fact: {
    readonly isTrue: boolean;
    readonly atMs: number;
    readonly otherwise?: { readonly reason: string; readonly message?: string };
  },
): ApiPodCondition {
  return {
    type,
    status: fact.isTrue ? 'True' : 'False',
    lastTransitionTime: toTime(fact.atMs),
    ...(fact.isTrue ? {} : fact.otherwise),
  };
}

function latest(
  startMs: number,
  entries: readonly Entry[],
  timeOf: (attempt: ContainerAttempt) => number | undefined,
): number {
  const times = entries.flatMap(({ container }) => container?.attempts.map(timeOf) ?? []);
  return Math.max(startMs, ...times.filter((time) => time !== undefined));
}

function toTime(ms: number): ApiTime {
  return new Date(ms).toISOString();
}
