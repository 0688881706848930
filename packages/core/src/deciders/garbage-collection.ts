import type { ContainerPhase } from '../model.js';
import type { GcPolicy } from '../pod-types.js';

/** A container as garbage collection sees it. */
export interface GcContainer {
  readonly id: string;
  readonly name: string;
  readonly state: ContainerPhase;
  readonly createdAtMs: number;
  /** End of its last attempt, if it had one. */
  readonly finishedAtMs?: number;
}

/** A pod as garbage collection sees it. */
export interface GcPod {
  readonly uid: string;
  /** In the pod store; if not, its owner has forgotten it. */
  readonly known: boolean;
  /** Somebody is about to start it. */
  readonly preparing: boolean;
  /** Its source still has it, see `GcOptions.wanted`. */
  readonly wanted: boolean;
  readonly createdAtMs: number;
  readonly containers: readonly GcContainer[];
}

export interface GcDecision {
  /** Ids of containers to remove, oldest first. */
  readonly containers: readonly string[];
  /** Uids of pods of which everything is to be removed, their containers included. */
  readonly pods: readonly string[];
}

/**
 * What garbage collection removes, by the kubelet's rules: never what is being prepared or runs; what belongs to pods
 * that their owner has forgotten only when all owners have been heard; of the rest the oldest beyond the maximum for
 * each name in a pod, then beyond the maximum in all, evenly over the names. Only what ended before the minimum age.
 * A pod of which no container is left goes too, unless it is wanted: such a one keeps the last of each name.
 * Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_gc.go.
 * @param policy negative maxima are no limit
 * @param state `nowMs`: the time to reckon ages from; `allSourcesReady`: see `GcOptions`
 */
export function computeGc(
  policy: GcPolicy,
  state: { readonly nowMs: number; readonly allSourcesReady: boolean; readonly pods: readonly GcPod[] },
): GcDecision {
  const isOld = (atMs: number) => state.nowMs - atMs >= policy.minAgeMs;
  const idle = state.pods.filter(({ preparing }) => !preparing);
  const kept = new Set(idle.filter(({ wanted }) => wanted).flatMap(lastOfEachName));
  const forgotten = idle.filter((pod) => !pod.known && !runs(pod) && isOld(endOf(pod)));
  const gone = state.allSourcesReady ? forgotten : [];

  const groups = idle
    .filter(({ known }) => known)
    .flatMap((pod) => [...byName(pod.containers.filter(hasEnded)).values()])
    .map((group) => group.filter((container) => isOld(endOfContainer(container))).sort(newestFirst))
    .filter((group) => group.length > 0);
  const removed = new Set<GcContainer>();
  const keepInEach = (maximum: number) => {
    for (const group of groups) {
      for (const container of group.splice(maximum)) removed.add(container);
    }
  };
  if (policy.maxPerPodContainer >= 0) keepInEach(policy.maxPerPodContainer);
  if (policy.maxContainers >= 0 && groups.flat().length > policy.maxContainers) {
    // Evenly first, so that one pod's many attempts do not push out the only one of another.
    keepInEach(Math.max(1, Math.floor(policy.maxContainers / groups.length)));
    const rest = groups.flat().sort(newestFirst);
    for (const container of rest.slice(policy.maxContainers)) removed.add(container);
  }

  for (const container of kept) removed.delete(container);

  const finished = idle.filter(
    (pod) =>
      pod.known &&
      !pod.wanted &&
      isOld(endOf(pod)) &&
      pod.containers.every((container) => hasEnded(container) && removed.has(container)),
  );
  const whole = [...gone, ...finished];
  const inWhole = new Set(whole.flatMap(({ containers }) => containers));
  return {
    containers: [...removed]
      .filter((container) => !inWhole.has(container))
      .sort((a, b) => newestFirst(b, a))
      .map(({ id }) => id),
    pods: whole.map(({ uid }) => uid),
  };
}

function lastOfEachName({ containers }: GcPod): readonly GcContainer[] {
  return [...byName(containers).values()].flatMap((group) => group.sort(newestFirst).slice(0, 1));
}

function hasEnded({ state }: GcContainer): boolean {
  return state === 'exited' || state === 'unknown';
}

function runs(pod: GcPod): boolean {
  return pod.containers.some(({ state }) => state === 'running' || state === 'waiting');
}

function endOfContainer(container: GcContainer): number {
  return container.finishedAtMs ?? container.createdAtMs;
}

function endOf(pod: GcPod): number {
  return Math.max(pod.createdAtMs, ...pod.containers.map(endOfContainer));
}

function newestFirst(a: GcContainer, b: GcContainer): number {
  return b.createdAtMs - a.createdAtMs;
}

function byName(containers: readonly GcContainer[]): Map<string, GcContainer[]> {
  const groups = new Map<string, GcContainer[]>();
  for (const container of containers) {
    groups.set(container.name, [...(groups.get(container.name) ?? []), container]);
  }
  return groups;
}
