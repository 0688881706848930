import {
  CONTAINER_KIND_ANNOTATION,
  type Container,
  type ContainerKind,
  type ContainerStatus,
  formatContainerId,
  isSidecar,
  type PodContainer,
  type PodRecord,
  type PodSandboxStatus,
  type PodStatus,
  type ProbeResults,
  podPhase,
  type RestartBackoff,
  restartAtMs,
  restartPolicyOf,
  SANDBOX_HASH_ANNOTATION,
  type StringMap,
} from '@podwright/core';

/** What is known of one pod, from the store and from the backend. */
export interface PodFacts {
  readonly uid: string;
  readonly record?: PodRecord;
  /** Newest first. */
  readonly sandboxes: readonly PodSandboxStatus[];
  readonly containers: readonly ContainerStatus[];
}

/** How the facts are read. */
export interface PodViewContext {
  /** Name of the backend, for container ids. */
  readonly backend: string;
  readonly probes: Pick<ProbeResults, 'readiness' | 'startup'>;
  /** Of containers that PodRuntime starts again. */
  readonly backoff: RestartBackoff;
}

/** Puts together what belongs to the same pod. */
export function groupPodFacts(
  records: readonly PodRecord[],
  sandboxes: readonly PodSandboxStatus[],
  containers: readonly ContainerStatus[],
): readonly PodFacts[] {
  const recordOf = new Map(records.map((record) => [record.uid, record]));
  const sandboxesOf = groupBy(sandboxes, ({ metadata }) => metadata.uid);
  const containersOf = groupBy(containers, ({ podUid }) => podUid);
  const uids = new Set([...recordOf.keys(), ...sandboxesOf.keys(), ...containersOf.keys()]);
  return [...uids].map((uid) => {
    const record = recordOf.get(uid);
    return {
      uid,
      ...(record ? { record } : {}),
      sandboxes: (sandboxesOf.get(uid) ?? []).toSorted((a, b) => b.metadata.attempt - a.metadata.attempt),
      containers: containersOf.get(uid) ?? [],
    };
  });
}

/** A pod's status, or undefined when nothing names it: containers alone do not know the name of their pod. */
export function podStatusOf(facts: PodFacts, context: PodViewContext): PodStatus | undefined {
  const { uid, record, sandboxes } = facts;
  const sandbox = sandboxes[0];
  const manifest = record?.manifest;
  const identity = record ?? sandbox?.metadata;
  if (!identity) return undefined;
  const containers = podContainersOf(facts, context);
  const sandboxReady = sandbox?.state === 'ready';
  const preparing = record?.state === 'preparing' || record?.state === 'starting';
  const phase = podPhase({
    ...(manifest ? { restartPolicy: manifest.spec.restartPolicy } : {}),
    initNames: (manifest?.spec.initContainers ?? [])
      .filter((init) => !isSidecar(init))
      .map(({ name }) => name),
    sidecarNames: (manifest?.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name),
    appNames: manifest?.spec.containers.map(({ name }) => name) ?? namesOf(containers, 'app'),
    containers,
    prepared: !preparing,
    final: isFinal(facts),
  });
  return {
    uid,
    name: identity.name,
    namespace: identity.namespace,
    labels: manifest?.metadata.labels ?? sandbox?.labels ?? {},
    annotations: manifest?.metadata.annotations ?? ownAnnotations(sandbox),
    createdAtMs: record?.createdAtMs ?? sandbox?.createdAtMs ?? 0,
    // What was ended as a whole has failed, however its containers took that.
    phase: record?.reason === undefined ? phase : 'Failed',
    ...(record?.reason === undefined ? {} : { reason: record.reason }),
    ...(record?.message === undefined ? {} : { message: record.message }),
    ips: sandbox?.ips ?? [],
    containers,
    ...(manifest ? { manifest } : {}),
    sandboxIds: sandboxes.map(({ id }) => id),
    ...(record?.persist === undefined ? {} : { persist: record.persist }),
    sandboxReady,
  };
}

/** Whether something of the pod runs, is about to, or will run again. */
export function isActive(facts: PodFacts, backoff: RestartBackoff): boolean {
  if (facts.record?.state === 'preparing') return true;
  return facts.containers.some((status) => {
    const { state } = presented(status, facts, backoff);
    return state === 'running' || state === 'waiting' || (state === 'created' && !isFinal(facts));
  });
}

/**
 * A container as people see it: one that has ended and is started again by PodRuntime waits for that, as one that the
 * backend starts again does.
 */
export function presented(
  status: ContainerStatus,
  facts: PodFacts,
  backoff: RestartBackoff,
): Pick<ContainerStatus, 'state' | 'nextStartAtMs' | 'reason' | 'message'> {
  const atMs = restartTime(status, facts, backoff);
  if (atMs === undefined) return status;
  const reason = 'CrashLoopBackOff';
  const message = `It has ended and is started again at ${new Date(atMs).toISOString()}.`;
  return { state: 'waiting', nextStartAtMs: atMs, reason, message };
}

function restartTime(status: ContainerStatus, facts: PodFacts, backoff: RestartBackoff): number | undefined {
  const { record, containers } = facts;
  if (!record || isFinal(facts) || (status.state !== 'exited' && status.state !== 'unknown'))
    return undefined;
  const { name } = status.metadata;
  const pod = record.manifest;
  const app = pod.spec.containers.find((container) => container.name === name);
  const container = app ?? pod.spec.initContainers.find((init) => init.name === name);
  if (!container || newestContainer(containers, name)?.id !== status.id) return undefined;
  if (app) return appRestartTime(status, app, record, backoff);
  // What init containers and sidecars are for has ended with the last app container.
  if (pod.spec.containers.every((each) => hasFinished(each, facts, backoff))) return undefined;
  return restartAtMs(status, restartPolicyOf(pod, container, 'init'), backoff);
}

function hasFinished(
  container: Container,
  { record, containers }: PodFacts,
  backoff: RestartBackoff,
): boolean {
  const status = newestContainer(containers, container.name);
  if (!record || (status?.state !== 'exited' && status?.state !== 'unknown')) return false;
  return appRestartTime(status, container, record, backoff) === undefined;
}

/** By the same rules as `computePodActions`. */
function appRestartTime(
  status: ContainerStatus,
  app: Container,
  { manifest, owed, unhealthy }: PodRecord,
  backoff: RestartBackoff,
): number | undefined {
  if (owed?.includes(app.name)) return status.attempts.at(-1)?.finishedAtMs ?? status.createdAtMs;
  return restartAtMs(status, restartPolicyOf(manifest, app, 'app', unhealthy), backoff);
}

function ownAnnotations(sandbox: PodSandboxStatus | undefined): StringMap {
  const { [SANDBOX_HASH_ANNOTATION]: _hash, ...own } = sandbox?.annotations ?? {};
  return own;
}

/** The container behind a name: the newest of its attempts. */
export function newestContainer(
  containers: readonly ContainerStatus[],
  name: string,
): ContainerStatus | undefined {
  return attemptsOf(containers, name).at(-1);
}

/** All containers of a name, the oldest attempt first. */
export function attemptsOf(containers: readonly ContainerStatus[], name: string): readonly ContainerStatus[] {
  return containers
    .filter(({ metadata }) => metadata.name === name)
    .toSorted((a, b) => a.metadata.attempt - b.metadata.attempt);
}

/** What a container is in its pod: by the manifest, or else by what was noted when it was made. */
export function kindOf(status: ContainerStatus, record: PodRecord | undefined): ContainerKind {
  if (status.annotations[CONTAINER_KIND_ANNOTATION] === 'ephemeral') return 'ephemeral';
  const isInit = record
    ? record.manifest.spec.initContainers.some(({ name }) => name === status.metadata.name)
    : status.annotations[CONTAINER_KIND_ANNOTATION] === 'init';
  return isInit ? 'init' : 'app';
}

/** Nobody starts anything of it again. */
function isFinal({ record, sandboxes }: PodFacts): boolean {
  if (record?.state === 'starting') return false;
  return record?.state !== 'preparing' && (record?.state === 'killed' || sandboxes[0]?.state !== 'ready');
}

function podContainersOf(facts: PodFacts, context: PodViewContext): readonly PodContainer[] {
  const spec = facts.record?.manifest.spec;
  const listed = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ name }) => name);
  const made = facts.containers.toReversed().map(({ metadata }) => metadata.name);
  return [...new Set([...listed, ...made])].flatMap((name) => {
    const all = attemptsOf(facts.containers, name);
    const newest = all.at(-1);
    return newest ? [podContainerOf(newest, all, facts, context)] : [];
  });
}

function podContainerOf(
  newest: ContainerStatus,
  all: readonly ContainerStatus[],
  facts: PodFacts,
  context: PodViewContext,
): PodContainer {
  // One count over the containers that a caller made anew and over the starts by the backend within each.
  const attempts = all.flatMap(({ metadata, attempts }) =>
    attempts.map((run) => ({ ...run, attempt: metadata.attempt + run.attempt })),
  );
  const { name } = newest.metadata;
  const now = presented(newest, facts, context.backoff);
  const id = formatContainerId(context.backend, newest.id);
  const kind = kindOf(newest, facts.record);
  const runs = newest.state === 'running';
  const says = (probe: 'readiness' | 'startup') => {
    const result = context.probes[probe](facts.uid, name, id);
    // Nobody asks a container without a probe.
    return result === 'success' || (result === 'unknown' && !isProbed(facts, name));
  };
  return {
    name,
    id,
    kind,
    state: now.state,
    image: newest.image,
    imageId: newest.imageId,
    createdAtMs: newest.createdAtMs,
    restartCount: Math.max(newest.metadata.attempt, attempts.at(-1)?.attempt ?? 0),
    attempts,
    ready:
      kind === 'init' && !isSidecarIn(facts, name)
        ? newest.state === 'exited' && newest.attempts.at(-1)?.exitCode === 0
        : kind !== 'ephemeral' && runs && says('readiness'),
    started: runs && (kind === 'ephemeral' || says('startup')),
    ...(now.nextStartAtMs === undefined ? {} : { nextStartAtMs: now.nextStartAtMs }),
    ...(now.reason === undefined ? {} : { reason: now.reason }),
    ...(now.message === undefined ? {} : { message: now.message }),
  };
}

function isSidecarIn({ record }: PodFacts, name: string): boolean {
  return record?.manifest.spec.initContainers.some((init) => init.name === name && isSidecar(init)) ?? false;
}

function isProbed({ record }: PodFacts, name: string): boolean {
  const { containers, initContainers } = record?.manifest.spec ?? { containers: [], initContainers: [] };
  const container = [...containers, ...initContainers].find((candidate) => candidate.name === name);
  return container?.readinessProbe !== undefined || container?.startupProbe !== undefined;
}

function namesOf(containers: readonly PodContainer[], kind: 'init' | 'app'): readonly string[] {
  return containers.filter((container) => container.kind === kind).map(({ name }) => name);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
