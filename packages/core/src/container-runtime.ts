import type { Duplex } from 'node:stream';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type { ImageFsInfo, PullEvent, PullOptions } from './image-service.js';
import type { Pod, PullPolicy } from './manifest/pod.js';
import type { ContainerAttempt, ContainerPhase, Image, StringMap } from './model.js';
import type { PodEvent } from './pod-events.js';
import type {
  CallOptions,
  ExecOptions,
  ExecSession,
  ExecSyncOptions,
  ExecSyncResult,
  LogEntry,
  LogOptions,
  RuntimeFeatures,
  RuntimeStatus,
  RuntimeVersion,
  StopOptions,
} from './runtime-service.js';

/** A pod by its uid, or by namespace (default `default`) and name. */
export type PodRef = { readonly uid: string } | { readonly name: string; readonly namespace?: string };

/** A container of a pod. `container` may be left out when the pod has only one. */
export type ContainerRef = PodRef & { readonly container?: string };

/** A container as it is now. */
export interface PodContainer {
  readonly name: string;
  /** `backend://id`. */
  readonly id: string;
  readonly kind: 'init' | 'app';
  readonly state: ContainerPhase;
  readonly image: string;
  readonly imageId: string;
  readonly createdAtMs: number;
  /** Starts after the first one, over all containers of this name. */
  readonly restartCount: number;
  /** Every run that is remembered, oldest first. */
  readonly attempts: readonly ContainerAttempt[];
  readonly nextStartAtMs?: number;
  /** An app container that runs and whose readiness probe, if it has one, succeeds; an init container that has ended well. */
  readonly ready: boolean;
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
  readonly ips: readonly string[];
  readonly containers: readonly PodContainer[];
}

/** A pod in full; `toApiPodStatus(pod, status)` makes a Kubernetes PodStatus of it. */
export interface PodStatus extends PodSummary {
  /** Absent when the agent's store has no manifest of it. */
  readonly manifest?: Pod;
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

export interface GcOptions extends CallOptions {
  /** All pods are known to their sources: what belongs to a pod that is gone may go. Default false. */
  readonly allSourcesReady?: boolean;
}

export interface GcResult {
  /** In words: what was removed. */
  readonly removed: readonly string[];
  /** One failure does not stop the rest. */
  readonly errors: readonly Error[];
}

/**
 * The interface of this library: runs pods on one machine, whatever backend does the work.
 *
 * Every method may fail with PodwrightError `cancelled` (the signal fired), `unavailable` (the backend's daemon is
 * gone) or `closed`; further kinds stand at each.
 */
export interface ContainerRuntime {
  /** Name of the backend, e.g. `systemd`. */
  readonly type: string;
  readonly features: RuntimeFeatures;
  /** Hot: what happens to pods, also to those of earlier agents. Never errors. */
  readonly events: Observable<PodEvent>;

  /** @throws PodwrightError kind `missing-requirement` (names what and which version), `permission-denied` */
  start(): Promise<void>;
  /** Lets go of every connection and file; pods run on. */
  [Symbol.asyncDispose](): Promise<void>;
  version(options?: CallOptions): Promise<RuntimeVersion>;
  status(options?: CallOptions): Promise<RuntimeStatus>;

  /**
   * Pulls what the policy asks for, makes the sandbox, runs the init containers one after the other, then starts all
   * containers at once. Whatever it made is undone when it fails.
   * @throws PodwrightError kind `already-exists`, `image-not-found`, `container-start-failed`, `port-in-use`, …
   */
  runPod(pod: Pod, options?: CallOptions): Promise<RunPodResult>;
  /** Ends all containers of a pod within one grace budget; its record, logs and exit codes stay. Of one that is gone: nothing. */
  killPod(pod: PodRef, options?: StopOptions): Promise<void>;
  /** Kills it if it runs, and removes all that is left of it. Of one that is gone: nothing. */
  removePod(pod: PodRef, options?: StopOptions): Promise<void>;
  /** Newest first; running ones only by default. */
  getPods(filter?: PodFilter, options?: CallOptions): Promise<readonly PodSummary[]>;
  /** @throws PodwrightError kind `not-found` */
  getPodStatus(pod: PodRef, options?: CallOptions): Promise<PodStatus>;

  /** @throws PodwrightError kind `not-found`, `invalid-argument` (more than one container and none named), at the first read */
  getContainerLogs(container: ContainerRef, options?: LogOptions): AsyncIterable<LogEntry>;
  /** Runs a command to its end and gives its output. @throws PodwrightError kind `timeout`, `failed-precondition`, `command-failed` */
  runInContainer(
    container: ContainerRef,
    command: readonly string[],
    options?: ExecSyncOptions,
  ): Promise<ExecSyncResult>;
  /** Starts a command with streams. */
  execInContainer(container: ContainerRef, options: ExecOptions): Promise<ExecSession>;
  /** A connection to a TCP port inside the pod. */
  portForward(pod: PodRef, port: number, options?: CallOptions): Promise<Duplex>;

  /** Cold: subscribing pulls, unsubscribing cancels. See `ImageService.pullImage`. */
  pullImage(reference: string, options?: PullOptions): Observable<PullEvent>;
  /** Pulls by Kubernetes' policy; resolves to the image in use. @throws PodwrightError kind `image-not-found` with `Never` */
  ensureImage(reference: string, policy: PullPolicy, options?: PullOptions & CallOptions): Promise<Image>;
  isImagePresent(reference: string, options?: CallOptions): Promise<boolean>;
  listImages(options?: CallOptions): Promise<readonly Image[]>;
  /** @throws PodwrightError kind `in-use` */
  removeImage(reference: string, options?: CallOptions): Promise<void>;
  loadImage(path: string, options?: CallOptions & { readonly reference?: string }): Promise<readonly Image[]>;
  imageFsInfo(options?: CallOptions): Promise<ImageFsInfo>;

  /**
   * Removes ended containers beyond the policy, pods of which nothing is left to keep, and orphans of the backend.
   * Never touches what runs or is being prepared.
   */
  garbageCollect(policy: GcPolicy, options?: GcOptions): Promise<GcResult>;
}

export const ContainerRuntime: ServiceIdentifier<ContainerRuntime> = Symbol.for(
  'podwright.core.ContainerRuntime',
);
