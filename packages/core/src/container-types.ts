import type {
  ContainerAttempt,
  ContainerPhase,
  ContainerResources,
  ContainerSecurity,
  Device,
  EnvVar,
  Mount,
  PidMode,
  RestartOwner,
  Rlimit,
  StringMap,
} from './model.js';

/** Where a container may write why it ends; at most 4096 bytes are kept. */
export interface TerminationMessage {
  readonly path: string;
  /** When the file is empty and the container failed: the end of its log, at most 80 lines and 2048 bytes. */
  readonly fallbackToLogs: boolean;
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
  readonly restart: RestartOwner;
  /** It gets a standard input that `attach` writes to; without it, it reads end of file at once. */
  readonly stdin?: boolean;
  /** The standard input ends with the first attached client that ends its own. */
  readonly stdinOnce?: boolean;
  /** It gets a terminal; its log then has one stream, stdout. */
  readonly tty?: boolean;
  /** File in the container that says how it ended; see `ContainerAttempt.message`. */
  readonly terminationMessage?: TerminationMessage;
  /**
   * Path of a file on the host to which the container's output goes as well, as the kubelet reads it (each line as
   * `TIMESTAMP STREAM P|F TEXT`), also while no agent lives; its directory is made. See `reopenContainerLog`. Kind
   * `unsupported` without `features.logFiles`.
   */
  readonly logPath?: string;
  /** Its PID namespace, where it is another than the sandbox's default; `pod` only in a sandbox of `pid: 'pod'`. */
  readonly pid?: PidMode;
  /**
   * Id of a running container of the same pod whose PID namespace this one joins: it has to have one of its own
   * (`pidModeOf` tells `container`), and not the pod's, the node's or another one's.
   */
  readonly pidTarget?: string;
  /** Name such as `SIGTERM`; absent: the image's, else SIGTERM. */
  readonly stopSignal?: string;
  /** Time between the stop signal and SIGKILL when whoever stops it names no other. */
  readonly terminationGraceMs: number;
}

/** Numeric ids inside the container. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly supplementalGroups: readonly number[];
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
  /** As they are now. */
  readonly resources: ContainerResources;
  /** As in the configuration. */
  readonly logPath?: string;
  /** Id of its first process on the host, while it runs; absent where the backend has no processes. */
  readonly processId?: number;
  /** Whom its first process runs as, with its image asked; absent where the backend cannot tell. */
  readonly user?: ContainerUser;
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
