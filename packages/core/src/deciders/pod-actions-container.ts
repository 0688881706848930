import type { ContainerStatus } from '../container-types.js';
import type { Container } from '../manifest/pod.js';
import type { ContainerResources } from '../model.js';
import type { PodAction, PodActionsInput } from './pod-actions.js';
import {
  CONTAINER_HASH_ANNOTATION,
  containerHash,
  RESOURCES_ANNOTATION,
  resourcesOf,
} from './pod-actions-hash.js';
import { nextAttempt, restartAtMs, restartOwner, restartPolicyOf } from './pod-actions-restart.js';
import { containerResources } from './resources.js';

/** A container of the manifest, and what there is of it. */
export interface Subject {
  readonly container: Container;
  readonly kind: 'init' | 'app';
  /** The newest of its name, also of an earlier sandbox. */
  readonly status: ContainerStatus | undefined;
  /** The newest of its name in the present sandbox. */
  readonly inSandbox: ContainerStatus | undefined;
}

export function startOf({ container, kind, status, inSandbox }: Subject, message: string): PodAction {
  return {
    action: 'start-container',
    container: container.name,
    kind,
    attempt: nextAttempt(status),
    message,
    ...(inSandbox?.state === 'created' ? { replaces: inSandbox.id } : {}),
  };
}

/** What is to be done to one container, in order; nothing when it runs as wanted or has ended for good. */
export function decide(input: PodActionsInput, subject: Subject): readonly PodAction[] {
  const { container, kind, status } = subject;
  if (!status) return [startOf(subject, 'It was not started yet.')];
  if (status.state === 'created') return [startOf(subject, 'It was made and not started.')];
  const named = { container: container.name, kind };
  const policy = restartPolicyOf(input.pod, container, kind, input.unhealthy);
  if (status.state === 'running' || status.state === 'waiting') {
    const reason = reasonToKill(input, container, kind, status);
    if (reason === undefined) return resize(input, container, kind, status);
    const { message, graceSeconds } = reason;
    const kill: PodAction = {
      action: 'kill-container',
      ...named,
      id: status.id,
      message,
      ...(graceSeconds === undefined ? {} : { graceMs: graceSeconds * 1000 }),
      ...(reason.changed || policy === 'Never' ? {} : { unhealthy: true }),
    };
    // A changed one is started whatever the policy: it did not end by itself. After a failed probe its restart waits
    // for the back-off, like that of one that failed by itself.
    return reason.changed ? [kill, startOf(subject, message)] : [kill];
  }
  if (status.state === 'unknown') {
    if (kind === 'init' && policy === 'Never') return [];
    // Ended before its successor starts, so that there are never two of it.
    const message = 'Nobody knows whether it still runs.';
    return [{ action: 'kill-container', ...named, id: status.id, message }, startOf(subject, message)];
  }
  if (input.owed.includes(container.name)) return [startOf(subject, 'It was ended to be started again.')];
  const atMs = restartAtMs(status, policy, input.backoff);
  if (atMs === undefined) return [];
  const message = `It has ended with exit code ${status.attempts.at(-1)?.exitCode ?? 'unknown'}.`;
  return atMs > input.nowMs
    ? [{ action: 'wait', ...named, untilMs: atMs, message }]
    : [startOf(subject, message)];
}

interface KillReason {
  readonly message: string;
  readonly changed: boolean;
  /** Of the probe that failed, in seconds. */
  readonly graceSeconds?: number;
}

function reasonToKill(
  input: PodActionsInput,
  container: Container,
  kind: 'init' | 'app',
  current: ContainerStatus,
): KillReason | undefined {
  const hash = current.annotations[CONTAINER_HASH_ANNOTATION];
  const owner = restartOwner(input.pod, container, kind, input.supervisedRestart);
  if (hash !== undefined && hash !== containerHash(input.pod, container, owner)) {
    return { message: 'Its definition in the manifest has changed.', changed: true };
  }
  if (changedResources(input, container, current) !== undefined && !mayResize(input, container, current)) {
    return { message: 'Its resources have changed, which needs a restart.', changed: true };
  }
  if (current.state !== 'running') return undefined;
  const { liveness, startup } = input.health(current);
  for (const [result, probe, name] of [
    [startup, container.startupProbe, 'startup'],
    [liveness, container.livenessProbe, 'liveness'],
  ] as const) {
    if (result !== 'failure') continue;
    const graceSeconds = probe?.terminationGracePeriodSeconds;
    return {
      message: `Its ${name} probe has failed.`,
      changed: false,
      ...(graceSeconds === undefined ? {} : { graceSeconds }),
    };
  }
  return undefined;
}

function resize(
  input: PodActionsInput,
  container: Container,
  kind: 'init' | 'app',
  current: ContainerStatus,
): readonly PodAction[] {
  const resources = changedResources(input, container, current);
  if (resources === undefined) return [];
  const message = 'Its resources have changed.';
  return [
    { action: 'resize-container', container: container.name, kind, id: current.id, resources, message },
  ];
}

/** The limits that a container is to have, when it has others now. */
function changedResources(
  input: PodActionsInput,
  container: Container,
  { id, annotations }: ContainerStatus,
): ContainerResources | undefined {
  const had = input.resized[id] ?? resourcesOf(annotations[RESOURCES_ANNOTATION]);
  const wanted = containerResources(container);
  return had !== undefined && differences(had, wanted).length > 0 ? wanted : undefined;
}

/** Whether all that has changed can be changed live. A limit that is to go cannot: what a call leaves out stays. */
function mayResize(input: PodActionsInput, container: Container, current: ContainerStatus): boolean {
  if (!input.canResize || current.state !== 'running') return false;
  const had = input.resized[current.id] ?? resourcesOf(current.annotations[RESOURCES_ANNOTATION]) ?? {};
  const wanted = containerResources(container);
  return differences(had, wanted).every((key) => {
    const resourceName = key.startsWith('cpu') ? 'cpu' : key.startsWith('memory') ? 'memory' : undefined;
    if (resourceName === undefined || wanted[key] === undefined) return false;
    const rule = container.resizePolicy.find((policy) => policy.resourceName === resourceName);
    return rule?.restartPolicy !== 'RestartContainer';
  });
}

/** Names of what is not the same in both. */
export function differences(
  a: ContainerResources,
  b: ContainerResources,
): readonly (keyof ContainerResources)[] {
  return keysOf({ ...a, ...b }).filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
}

function keysOf(resources: ContainerResources): readonly (keyof ContainerResources)[] {
  return Object.keys(resources).filter((key): key is keyof ContainerResources => key in resources);
}
