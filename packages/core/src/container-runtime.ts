import type { Duplex } from 'node:stream';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type { CallOptions } from './call-options.js';
import type { ImageFsInfo, PullEvent, PullOptions } from './image-service.js';
import type { ConfigObject } from './manifest/config-object.js';
import type { Pod, PullPolicy } from './manifest/pod.js';
import type { ContainerResources, Image } from './model.js';
import type { PodEvent } from './pod-events.js';
import type {
  ContainerRef,
  EphemeralContainer,
  GcOptions,
  GcPolicy,
  GcResult,
  PodFilter,
  PodRef,
  PodStats,
  PodStatus,
  PodSummary,
  RunPodOptions,
  RunPodResult,
  SyncPodResult,
} from './pod-types.js';
import type { RuntimeFeatures, RuntimeStatus, RuntimeVersion } from './runtime-service.js';
import type { StatsOptions } from './stats.js';
import type {
  AttachOptions,
  AttachSession,
  ExecOptions,
  ExecSession,
  ExecSyncOptions,
  ExecSyncResult,
  LogEntry,
  LogOptions,
  StopOptions,
} from './stream-types.js';

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
  runPod(pod: Pod, options?: RunPodOptions): Promise<RunPodResult>;
  /**
   * Makes a pod be as its manifest says: starts it if it is not there, restarts what ended or changed, ends what the
   * manifest no longer has, and touches nothing else. Failed actions are in the result; the rest is done all the same.
   * A pod that was killed is wanted again: what had not ended by itself is started whatever the restart policy. What ended as
   * a whole (`PodSummary.reason`) stays so until it is removed.
   * @throws PodwrightError kind `invalid-manifest`, `unsupported`, …: what `runPod` throws before it makes anything
   */
  syncPod(pod: Pod, options?: RunPodOptions): Promise<SyncPodResult>;
  /**
   * Gives a pod's volumes new content of its ConfigMaps and Secrets; readers see all of the old or all of the new.
   * Environment variables and subPath mounts keep theirs, as in Kubernetes.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (an immutable object would change)
   */
  updateObjects(pod: PodRef, objects: readonly ConfigObject[], options?: CallOptions): Promise<void>;
  /**
   * Changes a container's limits, live when it runs, and those of its pod with them. CPU and memory are changed in the
   * pod's manifest, so that containers made anew have them too; other limits are those of this container only.
   * @throws as `RuntimeService.updateContainerResources`
   */
  updateContainerResources(
    container: ContainerRef,
    resources: ContainerResources,
    options?: CallOptions,
  ): Promise<void>;
  /** Adds a container to a running pod and starts it. @throws PodwrightError kind `not-found`, `already-exists`, … */
  runEphemeralContainer(pod: PodRef, container: EphemeralContainer, options?: CallOptions): Promise<void>;
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
  /** Connects to a container's first process. @throws as `RuntimeService.attach` */
  attachContainer(container: ContainerRef, options?: AttachOptions): Promise<AttachSession>;
  /** A connection to a TCP port inside the pod. */
  portForward(pod: PodRef, port: number, options?: CallOptions): Promise<Duplex>;

  /** What running pods use now. @throws PodwrightError kind `unsupported`, for `detail` alone too */
  stats(filter?: PodFilter, options?: StatsOptions): Promise<readonly PodStats[]>;
  /** Cold: `stats` at once and then every `intervalMs` (default 10,000) until it is unsubscribed. */
  watchStats(options?: PodFilter & { readonly intervalMs?: number }): Observable<readonly PodStats[]>;

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
