import type { ContainerStatus } from '../container-types.js';
import type { Container, Pod } from '../manifest/pod.js';
import type { ContainerResources } from '../model.js';
import type { ProbeResult } from '../pod-plugs.js';
import type { PodSandboxStatus } from '../sandbox-types.js';
import type { RestartBackoff } from './crash-loop.js';
import { decide, differences, type Subject, startOf } from './pod-actions-container.js';
import { podResourcesNow, SANDBOX_HASH_ANNOTATION } from './pod-actions-hash.js';
import { isSidecar, nextAttempt, restartAtMs, restartPolicyOf } from './pod-actions-restart.js';
import { podResources } from './resources.js';

/** Annotation of each container that says what it is in its pod, for the time when the manifest is lost. */
export const CONTAINER_KIND_ANNOTATION = 'podwright.dev/container-kind';

/** What the probes that end containers last said of one. */
export interface ContainerHealth {
  readonly liveness: ProbeResult;
  readonly startup: ProbeResult;
}

/** What is to be done to a pod is decided from this. */
export interface PodActionsInput {
  readonly pod: Pod;
  /** False: it was killed, or ended as a whole; nothing of it is to run. */
  readonly wanted: boolean;
  /**
   * Only keep up what was started: make no sandbox, so that a pod that ended with its host stays so, and start no
   * container for the first time.
   */
  readonly keepUpOnly: boolean;
  /** All of the pod. */
  readonly sandboxes: readonly PodSandboxStatus[];
  /** All of the pod, of all of its sandboxes. */
  readonly containers: readonly ContainerStatus[];
  /** What the manifest makes of the sandbox, see `sandboxHash`. */
  readonly sandboxHash: string;
  /** `features.supervisedRestart` of the backend. */
  readonly supervisedRestart: boolean;
  /** `features.updateResources` of the backend. */
  readonly canResize: boolean;
  readonly health: (container: ContainerStatus) => ContainerHealth;
  /** Limits that were changed since a container or a sandbox was made, by its id. */
  readonly resized: Readonly<Record<string, ContainerResources>>;
  /** Names of containers that did not end by themselves, are to be started whatever the policy, and were not yet. */
  readonly owed: readonly string[];
  /** Names of containers that were ended because a probe had failed, and have no successor yet. */
  readonly unhealthy: readonly string[];
  readonly backoff: RestartBackoff;
  readonly nowMs: number;
}

interface ContainerAction {
  readonly container: string;
  readonly kind: 'init' | 'app';
  /** Why, for people. */
  readonly message: string;
}

/** One thing to do to a pod. */
export type PodAction =
  /** Everything of it that runs is ended, and its sandbox stopped. */
  | { readonly action: 'kill-pod'; readonly message: string }
  | { readonly action: 'create-sandbox'; readonly attempt: number; readonly message: string }
  | (ContainerAction & {
      readonly action: 'kill-container';
      readonly id: string;
      readonly graceMs?: number;
      /** A probe of it has failed: it is started again as one that has failed by itself, whatever its exit code. */
      readonly unhealthy?: true;
    })
  | (ContainerAction & {
      readonly action: 'start-container';
      readonly attempt: number;
      /** A container that was made and never started, to be removed first. */
      readonly replaces?: string;
    })
  | (ContainerAction & {
      readonly action: 'resize-container';
      readonly id: string;
      readonly resources: ContainerResources;
    })
  /** The limits of all that runs in its sandbox. */
  | {
      readonly action: 'resize-pod';
      /** Of the sandbox. */
      readonly id: string;
      readonly resources: ContainerResources;
      readonly message: string;
    }
  /** It is started again then. */
  | (ContainerAction & { readonly action: 'wait'; readonly untilMs: number });

/**
 * What has to be done so that a pod is as its manifest says, by the kubelet's rules (`computePodActions` in
 * pkg/kubelet/kuberuntime/kuberuntime_manager.go). Decided anew from what there is after each change: init containers
 * come one after the other, each when the one before has ended; kills stand before starts, in the order to do them in.
 * @returns nothing when the pod is as wanted, or when only waiting for an end brings it further
 */
export function computePodActions(input: PodActionsInput): readonly PodAction[] {
  const sandbox = newestSandbox(input.sandboxes);
  if (!input.wanted) return killIfAlive(input, 'The pod is not to run.');
  const flaw = sandboxFlaw(input, sandbox);
  if (flaw === undefined) {
    const decided = containerActions(input, sandbox);
    const actions = input.keepUpOnly ? decided.filter((action) => !isFirstStart(action)) : decided;
    return [...podResize(input, sandbox, actions), ...actions];
  }
  if (input.keepUpOnly) return [];
  if (sandbox && !mayBeginAnew(input)) return killIfAlive(input, flaw);
  const kill = killIfAlive(input, flaw);
  const starts = containerActions({ ...input, containers: asEnded(input) }, undefined);
  // A pod that has done its work is not begun anew because its sandbox is gone.
  if (starts.length === 0) return kill;
  const attempt = sandbox ? sandbox.metadata.attempt + 1 : 0;
  return [...kill, { action: 'create-sandbox', attempt, message: flaw }, ...starts];
}

/**
 * Gives a pod that runs other limits as a whole, or takes them away, when nothing else does: what changes a container's
 * limits does it with them.
 */
function podResize(
  { pod, canResize, resized, containers }: PodActionsInput,
  sandbox: PodSandboxStatus | undefined,
  actions: readonly PodAction[],
): readonly PodAction[] {
  if (!canResize || sandbox === undefined) return [];
  const had = podResourcesNow(sandbox, resized);
  const resources = podResources(pod);
  const isChanged = had !== undefined && differences(had, resources).length > 0;
  const runs = containers.some(isRunning) || actions.some(({ action }) => action === 'start-container');
  const isDone = actions.some(({ action }) => action === 'resize-container' || action === 'kill-pod');
  if (!isChanged || !runs || isDone) return [];
  return [{ action: 'resize-pod', id: sandbox.id, resources, message: 'Its resources have changed.' }];
}

/** A container of which there is nothing: it is new, or garbage collection took what was left of it. */
function isFirstStart(action: PodAction): boolean {
  return action.action === 'start-container' && action.attempt === 0 && action.replaces === undefined;
}

/** Why the pod's sandbox cannot be used; undefined when it can. */
function sandboxFlaw(input: PodActionsInput, sandbox: PodSandboxStatus | undefined): string | undefined {
  if (!sandbox) return 'The pod has no sandbox.';
  if (sandbox.state !== 'ready') return 'The sandbox is not ready.';
  if (input.sandboxes.filter(({ state }) => state === 'ready').length > 1) {
    return 'More than one sandbox is ready.';
  }
  const hash = sandbox.annotations[SANDBOX_HASH_ANNOTATION];
  if (hash !== undefined && hash !== input.sandboxHash) {
    return 'The manifest has changed what the sandbox is made of.';
  }
  return undefined;
}

/** With `Never` a pod of which something was started is not begun anew, unless what is ended for that still runs. */
function mayBeginAnew({ pod, containers, owed }: PodActionsInput): boolean {
  if (pod.spec.restartPolicy !== 'Never') return true;
  return containers.length === 0 || containers.some(isRunning) || owed.length > 0;
}

function killIfAlive(input: PodActionsInput, message: string): readonly PodAction[] {
  const isAlive = input.containers.some(isRunning) || input.sandboxes.some(({ state }) => state === 'ready');
  return isAlive ? [{ action: 'kill-pod', message }] : [];
}

/**
 * The containers as they are when the pod has been killed for a new sandbox. What was killed so is started again whatever
 * the policy, so it counts as never started but for its number.
 */
function asEnded({ containers }: PodActionsInput): readonly ContainerStatus[] {
  return containers.map((status) => {
    if (!isRunning(status)) return status;
    const attempt = nextAttempt(status);
    return { ...status, state: 'created', metadata: { ...status.metadata, attempt } };
  });
}

/** @param sandbox absent: one that is about to be made */
function containerActions(
  input: PodActionsInput,
  sandbox: PodSandboxStatus | undefined,
): readonly PodAction[] {
  const { spec } = input.pod;
  const here = input.containers.filter(({ sandboxId }) => sandboxId === sandbox?.id);
  const strangers = strangersIn(input, here);
  const apps = spec.containers.map((container) => ({
    container,
    status: newestOf(input.containers, container.name),
    inSandbox: newestOf(here, container.name),
  }));
  const finished = apps.every(({ container, status }) => hasFinished(input, container, status));
  if (finished) {
    // Nothing is left for init containers to prepare; sidecars end last, the one started last first.
    return [...strangers, ...sidecarEnds(input, here)];
  }
  const initialized = apps.some(({ inSandbox }) => inSandbox !== undefined);
  const inits = initActions(input, here, initialized);
  if (inits.podFailed) {
    return sandbox ? killIfAlive(input, inits.podFailed) : [];
  }
  const verdicts = inits.blocked
    ? []
    : apps.map(({ container, status, inSandbox }) =>
        decide(input, { container, kind: 'app', status, inSandbox }),
      );
  return inOrder([...strangers, ...inits.actions, ...verdicts.flat()]);
}

/** What runs and is no part of the manifest. Ephemeral containers never are. */
function strangersIn({ pod }: PodActionsInput, here: readonly ContainerStatus[]): readonly PodAction[] {
  const names = new Set([...pod.spec.initContainers, ...pod.spec.containers].map(({ name }) => name));
  return here
    .filter(isRunning)
    .filter(({ metadata }) => !names.has(metadata.name))
    .filter(({ annotations }) => annotations[CONTAINER_KIND_ANNOTATION] !== 'ephemeral')
    .map(({ id, metadata, annotations }) => ({
      action: 'kill-container',
      container: metadata.name,
      kind: annotations[CONTAINER_KIND_ANNOTATION] === 'init' ? 'init' : 'app',
      id,
      message: 'The manifest does not have it.',
    }));
}

interface InitDecision {
  readonly actions: readonly PodAction[];
  /** The containers after it have to wait. */
  readonly blocked: boolean;
  /** Why the pod as a whole has failed. */
  readonly podFailed?: string;
}

function initActions(
  input: PodActionsInput,
  here: readonly ContainerStatus[],
  initialized: boolean,
): InitDecision {
  const actions: PodAction[] = [];
  for (const container of input.pod.spec.initContainers) {
    const inSandbox = newestOf(here, container.name);
    const status = inSandbox ?? newestOf(input.containers, container.name);
    const subject: Subject = { container, kind: 'init', status, inSandbox };
    // One of an earlier sandbox prepared that one, and gives only its number.
    const now = { ...subject, status: inSandbox };
    if (isSidecar(container)) {
      const needed = inSandbox ? decide(input, now) : [startOf(subject, 'It is the next init container.')];
      actions.push(...needed);
      // Once the pod is initialized a sidecar that is started again holds nobody up.
      if (!initialized && !hasStarted(input, inSandbox, needed)) return { actions, blocked: true };
      continue;
    }
    if (initialized) continue;
    if (inSandbox?.state === 'exited' && inSandbox.attempts.at(-1)?.exitCode === 0) continue;
    const decision = inSandbox ? decide(input, now) : [startOf(subject, 'It is the next init container.')];
    if (decision.length === 0 && inSandbox && !isRunning(inSandbox)) {
      return { actions, blocked: true, podFailed: `The init container ${container.name} has failed.` };
    }
    return { actions: [...actions, ...decision], blocked: true };
  }
  return { actions, blocked: false };
}

/** Whether a sidecar runs and its startup probe, if it has one, has succeeded. */
function hasStarted(
  input: PodActionsInput,
  status: ContainerStatus | undefined,
  needed: readonly PodAction[],
): boolean {
  if (status?.state !== 'running' || needed.some(({ action }) => action !== 'resize-container')) return false;
  return input.health(status).startup === 'success';
}

/** Whether an app container has ended and is not started again. */
function hasFinished(
  input: PodActionsInput,
  container: Container,
  status: ContainerStatus | undefined,
): boolean {
  if (!status || isRunning(status) || status.state === 'created') return false;
  if (input.owed.includes(container.name)) return false;
  const policy = restartPolicyOf(input.pod, container, 'app', input.unhealthy);
  return restartAtMs(status, policy, input.backoff) === undefined;
}

function sidecarEnds({ pod }: PodActionsInput, here: readonly ContainerStatus[]): readonly PodAction[] {
  return pod.spec.initContainers.toReversed().flatMap((container): readonly PodAction[] => {
    const status = newestOf(here, container.name);
    if (!status || !isRunning(status)) return [];
    const message = 'All app containers have ended.';
    return [{ action: 'kill-container', container: container.name, kind: 'init', id: status.id, message }];
  });
}

function inOrder(actions: readonly PodAction[]): readonly PodAction[] {
  const isKill = ({ action }: PodAction) => action === 'kill-container';
  return [...actions.filter(isKill), ...actions.filter((action) => !isKill(action))];
}

function newestSandbox(sandboxes: readonly PodSandboxStatus[]): PodSandboxStatus | undefined {
  return sandboxes.toSorted((a, b) => b.metadata.attempt - a.metadata.attempt)[0];
}

function newestOf(containers: readonly ContainerStatus[], name: string): ContainerStatus | undefined {
  return containers
    .filter(({ metadata }) => metadata.name === name)
    .toSorted((a, b) => b.metadata.attempt - a.metadata.attempt)[0];
}

function isRunning({ state }: ContainerStatus): boolean {
  return state === 'running' || state === 'waiting';
}
