import type { CallOptions } from './call-options.js';
import type { ImageGcPolicy } from './deciders/image-gc.js';
import type { ConfigObject } from './manifest/config-object.js';
import type { Container, Pod, PullPolicy } from './manifest/pod.js';
import type { ContainerAttempt, ContainerPhase, EnvVar, StringMap } from './model.js';
import type { VolumeUsage } from './pod-plugs.js';
import type { PodSandboxStats } from './stats.js';

/** `ephemeral`: added to a running pod for debugging. */
export type ContainerKind = 'init' | 'app' | 'ephemeral';

/** A pod by its uid, or by namespace (default `default`) and name. */
export type PodRef = { readonly uid: string } | { readonly name: string; readonly namespace?: string };

/** A container of a pod. `container` may be left out when the pod has only one. */
export type ContainerRef = PodRef & { readonly container?: string };

/** A container as it is now. */
export interface PodContainer {
  readonly name: string;
  /** `backend://id`. */
  readonly id: string;
  readonly kind: ContainerKind;
  readonly state: ContainerPhase;
  readonly image: string;
  readonly imageId: string;
  readonly createdAtMs: number;
  /** Starts after the first one, over all containers of this name. */
  readonly restartCount: number;
  /**
   * The last runs, oldest first: those of the newest container and of the one before it, which PodRuntime keeps. One that
   * PodRuntime restarts has one run each, so there are two at most; one that the backend restarts has as many as the
   * backend remembers (`systemd`: 50). `restartCount` counts all.
   */
  readonly attempts: readonly ContainerAttempt[];
  readonly nextStartAtMs?: number;
  /** An app container that runs and whose readiness probe, if it has one, succeeds; an init container that has ended well. */
  readonly ready: boolean;
  /** Whether it runs and its startup probe, if it has one, has succeeded. Absent: it has if it runs. */
  readonly started?: boolean;
  readonly reason?: string;
  readonly message?: string;
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';

/** A pod in short, for lists. */
export interface PodSummary {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly createdAtMs: number;
  readonly phase: PodPhase;
  /** Why the pod as a whole was ended, e.g. `Evicted`, `DeadlineExceeded`. */
  readonly reason?: string;
  readonly message?: string;
  readonly ips: readonly string[];
  readonly containers: readonly PodContainer[];
}

/** A pod in full; `toApiPodStatus(pod, status)` makes a Kubernetes PodStatus of it. */
export interface PodStatus extends PodSummary {
  /** Absent when the agent's store has no manifest of it. */
  readonly manifest?: Pod;
  /** It comes back after a reboot of the host, see `RunPodOptions.persist`. */
  readonly persist?: boolean;
  readonly sandboxIds: readonly string[];
  readonly sandboxReady: boolean;
}

export interface PodFilter {
  /** Also pods of which nothing runs any more. Default: running ones only. */
  readonly all?: boolean;
  readonly namespace?: string;
  /** All of them have to be there with these values. */
  readonly labels?: StringMap;
}

export interface RunPodOptions extends CallOptions {
  /** ConfigMaps and Secrets of the pod's namespace that its manifest may name, also for its image pull secrets. */
  readonly objects?: readonly ConfigObject[];
  /** The pod comes back after a reboot of the host, before any agent runs. Needs `features.persist`. */
  readonly persist?: boolean;
}

export interface RunPodResult {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly ips: readonly string[];
}

/** What garbage collection keeps. */
export interface GcPolicy {
  /** Ended containers and pods younger than this stay, in milliseconds. */
  readonly minAgeMs: number;
  /** Ended containers of one name in one pod that stay; negative: no limit. */
  readonly maxPerPodContainer: number;
  /** Ended containers that stay in all; negative: no limit. */
  readonly maxContainers: number;
}

/** One thing that `syncPod` did. */
export interface PodActionResult {
  readonly action:
    | 'kill-pod'
    | 'create-sandbox'
    | 'kill-container'
    | 'start-container'
    | 'resize-container'
    | 'resize-pod'
    | 'wait';
  /** Absent when it is about the whole pod. */
  readonly container?: string;
  /** Why it was done, or when it will be: `wait` is for a back-off. */
  readonly message: string;
  /** Absent when it succeeded. */
  readonly error?: Error;
}

export interface SyncPodResult extends RunPodResult {
  /** In the order in which they were done; empty when the pod was as wanted. */
  readonly actions: readonly PodActionResult[];
}

/** A container to add to a running pod, for debugging; fields as those of `spec.ephemeralContainers`. */
export interface EphemeralContainer {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly stdin?: boolean;
  readonly tty?: boolean;
  /** Container of the pod whose PID namespace it joins; absent: one of its own. */
  readonly targetContainerName?: string;
  readonly imagePullPolicy?: PullPolicy;
  /** Container settings that it shares with the rest of the pod, or its own; as in a manifest. */
  readonly securityContext?: Container['securityContext'];
}

/** What a pod uses now. */
export interface PodStats extends PodSandboxStats {
  readonly volumes: readonly VolumeUsage[];
}

export interface GcOptions extends CallOptions {
  /** Say what would be removed, and remove nothing. */
  readonly dryRun?: boolean;
  /** All pods are known to their sources: what belongs to a pod that is gone may go. Default false. */
  readonly allSourcesReady?: boolean;
  /**
   * Uids of pods that their source still has: the pod stays, and of each of its containers the last one, whatever the
   * policy says. Without it such a pod would be taken for one that has never run. Default: none.
   */
  readonly wanted?: ReadonlySet<string>;
  /** Removes images too, when their disk is fuller than this says. Absent: none. */
  readonly images?: ImageGcPolicy;
  /**
   * What the backend finds without an owner goes when it has been so for this long, in milliseconds, counted from the
   * collection that saw it first. Default `ORPHAN_GRACE_MS`; 0: at once.
   */
  readonly orphanGraceMs?: number;
}

export interface GcResult {
  /** In words: what was removed, or with `dryRun` would be. */
  readonly removed: readonly string[];
  /** In words: what has no owner and is still within `orphanGraceMs`; a later collection removes it. */
  readonly marked: readonly string[];
  /** One failure does not stop the rest. */
  readonly errors: readonly Error[];
}
