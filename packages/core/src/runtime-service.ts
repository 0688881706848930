import type { Duplex } from 'node:stream';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type { CallOptions } from './call-options.js';
import type { ContainerConfig, ContainerFilter, ContainerStatus } from './container-types.js';
import type { PodAmount } from './deciders/resources.js';
import type { ContainerAttempt, ContainerResources, StringMap } from './model.js';
import type { PodSandboxConfig, PodSandboxFilter, PodSandboxStatus } from './sandbox-types.js';
import type { ContainerStats, PodSandboxStats, StatsOptions } from './stats.js';
import type {
  AttachOptions,
  AttachSession,
  ExecOptions,
  ExecSession,
  ExecSyncOptions,
  ExecSyncResult,
  LogEntry,
  LogOptions,
  PortForwardOptions,
  StopOptions,
} from './stream-types.js';

export interface UpdateSandboxOptions extends CallOptions {
  /** Limits and requests of the sandbox that are taken away. */
  readonly lift?: readonly PodAmount[];
}

/** What a backend can do beyond the plain contract. Nothing is left out silently: the rest is kind `unsupported`. */
export interface RuntimeFeatures {
  /** Restarts containers by itself, also while no agent lives: `restart: {by: 'backend'}` is allowed. */
  readonly supervisedRestart: boolean;
  /** Containers are real processes of a kernel; false for a simulation. */
  readonly kernel: boolean;
  /** How commands enter a container. */
  readonly execHandler: 'oci' | 'nsenter' | 'simulated' | 'none';
  /** What exec cannot reapply of the container's confinement, such as `seccomp`; empty with the oci handler. */
  readonly execGaps: readonly string[];
  /** `attach`, and containers with `stdin` or `tty`. */
  readonly attach: boolean;
  /** `listContainerStats` and `listPodSandboxStats`. */
  readonly stats: boolean;
  /** `updateContainerResources` and `updatePodSandboxResources`. */
  readonly updateResources: boolean;
  /** Pods with a user namespace of their own. */
  readonly userNamespaces: boolean;
  /** Pods that come back after a reboot of the host. */
  readonly persist: boolean;
  /** `Mount.recursiveReadOnly`. */
  readonly recursiveReadOnly: boolean;
  /** `ContainerConfig.logPath` and `reopenContainerLog`. */
  readonly logFiles: boolean;
  /** Names that `PodSandboxConfig.runtimeHandler` may have. */
  readonly runtimeHandlers: readonly string[];
}

export interface RuntimeVersion {
  /** Name of what does the work, e.g. `systemd`. */
  readonly runtimeName: string;
  /** Comparable: three or fewer numbers with dots, e.g. `252.0.0`; compare with `compareVersions`. */
  readonly runtimeVersion: string;
  /** Further parts and their versions, e.g. `{crun: '1.8.1', conmon: '2.1.6'}`. */
  readonly components: StringMap;
}

export interface RuntimeCondition {
  /** `RuntimeReady` or `NetworkReady` at least, as in the CRI. */
  readonly type: string;
  readonly status: boolean;
  /** CamelCase word, empty when fine. */
  readonly reason: string;
  readonly message: string;
}

export interface RuntimeStatus {
  readonly conditions: readonly RuntimeCondition[];
}

/** What happened in a backend. `attempt` counts from 0. */
export type RuntimeEvent = {
  readonly timestampMs: number;
  readonly sandboxId: string;
  readonly podUid: string;
} & (
  | { readonly type: 'sandbox-created' | 'sandbox-stopped' | 'sandbox-removed' }
  | { readonly type: 'container-created' | 'container-removed'; readonly containerId: string }
  | { readonly type: 'container-started'; readonly containerId: string; readonly attempt: number }
  | {
      readonly type: 'container-exited';
      readonly containerId: string;
      readonly attempt: ContainerAttempt;
      /** When the backend starts it again by itself, and in how many milliseconds. */
      readonly restartInMs?: number;
    }
);

/** The default of `OrphanOptions.graceMs`: longer than anything takes to be made between its first trace and its record. */
export const ORPHAN_GRACE_MS = 60_000;

export interface OrphanOptions extends CallOptions {
  /** Say what would be removed; remove nothing and remember nothing. */
  readonly dryRun?: boolean;
  /**
   * How long something has to have been without an owner, in milliseconds, counted from the call that first saw it so;
   * what another process is just making is not taken away from it. Default `ORPHAN_GRACE_MS`; 0: at once.
   */
  readonly graceMs?: number;
  /**
   * Whether the caller has a record of a pod: what is the pod's own beside its sandboxes, such as volumes, stays then.
   * Absent: such things stay in any case.
   */
  readonly isKnownPod?: (uid: string) => Promise<boolean>;
}

/** What of a backend's own was found without an owner. */
export interface OrphanReport {
  /** In words: `unit podwright-….service`, `namespace /run/…`; with `dryRun` what would be removed. */
  readonly removed: readonly string[];
  /** Seen, and still within its grace. */
  readonly marked: readonly string[];
  /** One failure does not stop the rest. */
  readonly errors: readonly Error[];
}

/**
 * What a backend does with sandboxes and containers; shaped after the CRI's RuntimeService.
 *
 * Ids are the backend's own. Stop and remove of what is gone do nothing. A call that fails leaves nothing half-made.
 * Several calls at once are allowed; calls for one sandbox or one container are done one after the other.
 */
export interface RuntimeService {
  /** Name of the backend, the first part of container ids. */
  readonly type: string;
  readonly features: RuntimeFeatures;
  /** Hot, never errors. Begins with what happens after `start()`. */
  readonly events: Observable<RuntimeEvent>;

  /**
   * Finds what it needs and takes up what an earlier agent left.
   * @throws PodwrightError kind `missing-requirement`, `permission-denied` or `unavailable`
   */
  start(): Promise<void>;
  /** Lets go of connections; what runs goes on. Calls after it fail with kind `closed`. */
  [Symbol.asyncDispose](): Promise<void>;

  version(options?: CallOptions): Promise<RuntimeVersion>;
  status(options?: CallOptions): Promise<RuntimeStatus>;

  /**
   * Makes a sandbox with its namespaces and its network, and resolves to its id when it is ready.
   * @throws PodwrightError kind `already-exists` when this pod has one of the same attempt, `port-in-use`,
   *   `missing-requirement`, `unsupported`, `no-space`
   */
  runPodSandbox(config: PodSandboxConfig, options?: CallOptions): Promise<string>;
  /** Ends its containers (killed at once) and takes its network down; its record stays. Idempotent. */
  stopPodSandbox(id: string, options?: CallOptions): Promise<void>;
  /** Stops it, removes its containers and all that is left of it. Idempotent. */
  removePodSandbox(id: string, options?: CallOptions): Promise<void>;
  /** @throws PodwrightError kind `not-found` */
  podSandboxStatus(id: string, options?: CallOptions): Promise<PodSandboxStatus>;
  /** Newest first. */
  listPodSandboxes(filter?: PodSandboxFilter, options?: CallOptions): Promise<readonly PodSandboxStatus[]>;

  /**
   * Makes a container that is not started yet and resolves to its id.
   * @throws PodwrightError kind `not-found` (sandbox), `image-not-found`, `already-exists` (name and attempt),
   *   `failed-precondition` (sandbox not ready, a `pidTarget` that does not run or has no PID namespace of its own),
   *   `invalid-argument`, `unsupported`
   */
  createContainer(sandboxId: string, config: ContainerConfig, options?: CallOptions): Promise<string>;
  /**
   * Resolves when the container's first process was executed.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (was started before), `container-start-failed`
   */
  startContainer(id: string, options?: CallOptions): Promise<void>;
  /** Stop signal, grace, SIGKILL; no restart follows. Idempotent, also for a container that is gone. */
  stopContainer(id: string, options?: StopOptions): Promise<void>;
  /** Kills it if it runs; removes it, its writable layer and its logs' owner record. Idempotent. */
  removeContainer(id: string, options?: CallOptions): Promise<void>;
  /** Newest first. */
  listContainers(filter?: ContainerFilter, options?: CallOptions): Promise<readonly ContainerStatus[]>;
  /** @throws PodwrightError kind `not-found` */
  containerStatus(id: string, options?: CallOptions): Promise<ContainerStatus>;

  /**
   * The container's output in order: of the present attempt, or the last one; with `follow` also of those after it.
   * @throws PodwrightError kind `not-found`, at the first read
   */
  containerLogs(id: string, options?: LogOptions): AsyncIterable<LogEntry>;
  /**
   * Goes on writing the container's `logPath` in a new file of that name, after the old one was renamed.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (not running, or it has no `logPath`), `unsupported`
   */
  reopenContainerLog(id: string, options?: CallOptions): Promise<void>;
  /**
   * Runs a command to its end.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (not running), `timeout`, `command-failed` (the
   *   command cannot be executed)
   */
  execSync(id: string, command: readonly string[], options?: ExecSyncOptions): Promise<ExecSyncResult>;
  /** Starts a command with streams. @throws as `execSync` */
  exec(id: string, options: ExecOptions): Promise<ExecSession>;
  /**
   * A connection to a TCP port of the sandbox, from inside its network: on its loopback address unless another host is
   * named; ending the stream half-closes it.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (not ready), `unreachable` (nobody listens there),
   *   `missing-requirement`
   */
  portForward(sandboxId: string, port: number, options?: PortForwardOptions): Promise<Duplex>;

  /**
   * Connects to a running container's first process: what it writes from now on, and its standard input.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (not running, or no `stdin`), `unsupported`
   */
  attach(id: string, options?: AttachOptions): Promise<AttachSession>;
  /**
   * Changes the limits of a container, live when it runs; what is left out stays.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (ended, or it uses more than the new limit),
   *   `invalid-argument`, `unsupported`
   */
  updateContainerResources(id: string, resources: ContainerResources, options?: CallOptions): Promise<void>;
  /**
   * Changes what a ready sandbox's containers may use together; what is left out stays, unless it is named in `lift`.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (not ready), `invalid-argument`, `unsupported`
   */
  updatePodSandboxResources(
    id: string,
    resources: ContainerResources,
    options?: UpdateSandboxOptions,
  ): Promise<void>;
  /** Of running containers, newest first. @throws PodwrightError kind `unsupported`, for `detail` alone too */
  listContainerStats(filter?: ContainerFilter, options?: StatsOptions): Promise<readonly ContainerStats[]>;
  /** Of ready sandboxes, newest first, `detail` of their containers too. @throws as `listContainerStats` */
  listPodSandboxStats(filter?: PodSandboxFilter, options?: StatsOptions): Promise<readonly PodSandboxStats[]>;

  /**
   * Removes what is this backend's own and belongs to no sandbox or container that it knows: marks it when it sees it
   * first, over restarts of the agent too, and removes it in a call after its grace.
   */
  removeOrphans(options?: OrphanOptions): Promise<OrphanReport>;
}

export const RuntimeService: ServiceIdentifier<RuntimeService> = Symbol.for('podwright.core.RuntimeService');
