import type { Duplex, Readable, Writable } from 'node:stream';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type {
  ContainerAttempt,
  ContainerPhase,
  ContainerResources,
  ContainerSecurity,
  Device,
  DnsConfig,
  EnvVar,
  IpcMode,
  Mount,
  NetworkMode,
  PidMode,
  PortMapping,
  RestartOwner,
  Rlimit,
  SandboxState,
  StringMap,
} from './model.js';

/** Every call takes a signal; when it fires, the call is undone as far as it got and fails with kind `cancelled`. */
export interface CallOptions {
  readonly signal?: AbortSignal;
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

/** A pod's identity, and which sandbox of it this is, counted from 0. */
export interface PodSandboxMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly attempt: number;
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  /** Name inside the UTS namespace; with the node's network it is the node's own. */
  readonly hostname?: string;
  readonly network: NetworkMode;
  readonly ipc: IpcMode;
  /** Default for the pod's containers. */
  readonly pid: PidMode;
  /** Absent: the node's own resolv.conf. */
  readonly dns?: DnsConfig;
  readonly portMappings: readonly PortMapping[];
  /** Limits over the whole pod. */
  readonly resources?: ContainerResources;
}

export interface PodSandboxFilter {
  readonly id?: string;
  readonly state?: SandboxState;
  /** All of them have to be there with these values. */
  readonly labels?: StringMap;
  readonly podUid?: string;
}

export interface PodSandboxStatus {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly state: SandboxState;
  readonly createdAtMs: number;
  /** The pod's addresses, the primary one first; the node's with the node's network. */
  readonly ips: readonly string[];
  readonly network: NetworkMode;
  readonly labels: StringMap;
  readonly annotations: StringMap;
}

/** A container's name in its pod, and which container of that name this is, counted from 0. */
export interface ContainerMetadata {
  readonly name: string;
  readonly attempt: number;
}

export interface ContainerConfig {
  readonly metadata: ContainerMetadata;
  /** A name or an id; it has to be in the store. */
  readonly image: string;
  /** Replaces the image's entrypoint and drops its arguments. */
  readonly command?: readonly string[];
  /** Replaces the image's arguments. */
  readonly args?: readonly string[];
  readonly workingDir?: string;
  /** Wins over the image's environment by name. */
  readonly env: readonly EnvVar[];
  readonly mounts: readonly Mount[];
  readonly devices: readonly Device[];
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly resources: ContainerResources;
  readonly security: ContainerSecurity;
  readonly rlimits?: readonly Rlimit[];
  readonly sysctls?: StringMap;
  readonly restart: RestartOwner;
  /** Name such as `SIGTERM`; absent: the image's, else SIGTERM. */
  readonly stopSignal?: string;
  /** Time between the stop signal and SIGKILL when whoever stops it names no other. */
  readonly terminationGraceMs: number;
}

export interface ContainerFilter {
  readonly id?: string;
  readonly sandboxId?: string;
  readonly podUid?: string;
  readonly state?: ContainerPhase;
  readonly labels?: StringMap;
}

export interface ContainerStatus {
  readonly id: string;
  readonly sandboxId: string;
  readonly podUid: string;
  readonly metadata: ContainerMetadata;
  readonly state: ContainerPhase;
  readonly createdAtMs: number;
  /** As in the configuration. */
  readonly image: string;
  /** The store's id of the image in use. */
  readonly imageId: string;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly mounts: readonly Mount[];
  /**
   * Every run of this container that the backend remembers, oldest first. One when the caller restarts; with
   * `restart.by: 'backend'` one for each start. Empty until it was started.
   */
  readonly attempts: readonly ContainerAttempt[];
  /** While `waiting`: when the backend starts it again. */
  readonly nextStartAtMs?: number;
  /** Why it waits or never started, e.g. `CrashLoopBackOff`, `CreateContainerError`. */
  readonly reason?: string;
  readonly message?: string;
}

/** One line of a container, or a part of a long one. */
export interface LogEntry {
  /** Microseconds since the epoch. */
  readonly timestampUs: number;
  readonly stream: 'stdout' | 'stderr';
  /** The line without its line feed, byte for byte. */
  readonly line: Buffer;
  /** True when the line goes on in the next entry of the same stream. */
  readonly partial: boolean;
  /** Where to go on: pass it as `LogOptions.afterCursor`. */
  readonly cursor: string;
}

export interface LogOptions extends CallOptions {
  /** Go on with what comes, until the container has ended for good or the caller stops. Default: a snapshot. */
  readonly follow?: boolean;
  /** Only the last so many lines; absent: all. */
  readonly tail?: number;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** The attempt before the present one. Kind `not-found` when there is none. */
  readonly previous?: boolean;
  /** Go on after this entry. */
  readonly afterCursor?: string;
  /** Stop after so many bytes of lines, line feeds included. */
  readonly limitBytes?: number;
}

export interface ExecSyncResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exitCode: number;
}

export interface ExecSyncOptions extends CallOptions {
  /** The command and all its children are killed then, and the call fails with kind `timeout`. Absent: no limit. */
  readonly timeoutMs?: number;
  /** Bytes kept of stdout and of stderr each; default 16 MiB. What is over is dropped and said in the log. */
  readonly outputLimitBytes?: number;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecOptions extends CallOptions {
  readonly command: readonly string[];
  /** Ask for the command's standard input; without it, it reads end of file at once. */
  readonly stdin?: boolean;
  /** Give it a terminal; stderr then comes with stdout. */
  readonly tty?: boolean;
  /** Size of the terminal at the start. */
  readonly terminalSize?: TerminalSize;
}

/** A running command. End `stdin` to half-close; `kill` ends it and its children. */
export interface ExecSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  /** Absent with a terminal. */
  readonly stderr?: Readable;
  /** The command's exit code, 128 + n when signal n ended it; after the output was given in full. */
  readonly exitCode: Promise<number>;
  resize(size: TerminalSize): Promise<void>;
  kill(): Promise<void>;
}

export interface StopOptions extends CallOptions {
  /** Time for the container to end by itself; 0 kills at once. Absent: its `terminationGraceMs`. */
  readonly graceMs?: number;
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

/** What of a backend's own was found without an owner, and removed. */
export interface OrphanReport {
  /** In words: `unit podwright-….service`, `namespace /run/…`. */
  readonly removed: readonly string[];
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
   *   `failed-precondition` (sandbox not ready), `invalid-argument`, `unsupported`
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
   * Runs a command to its end.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (not running), `timeout`, `command-failed` (the
   *   command cannot be executed)
   */
  execSync(id: string, command: readonly string[], options?: ExecSyncOptions): Promise<ExecSyncResult>;
  /** Starts a command with streams. @throws as `execSync` */
  exec(id: string, options: ExecOptions): Promise<ExecSession>;
  /**
   * A connection to a TCP port on the sandbox's loopback address; ending the stream half-closes it.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (not ready), `unreachable` (nobody listens there),
   *   `missing-requirement` (socat)
   */
  portForward(sandboxId: string, port: number, options?: CallOptions): Promise<Duplex>;

  /** Removes what is this backend's own and belongs to no sandbox or container that it knows. */
  removeOrphans(options?: CallOptions): Promise<OrphanReport>;
}

export const RuntimeService: ServiceIdentifier<RuntimeService> = Symbol.for('podwright.core.RuntimeService');
