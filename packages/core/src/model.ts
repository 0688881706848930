import { PodwrightError } from './errors.js';

/** Labels or annotations: kept and given back byte for byte. */
export type StringMap = Readonly<Record<string, string>>;

/** Name and value of an environment variable; the value is any text without NUL. */
export interface EnvVar {
  readonly name: string;
  readonly value: string;
}

export type SandboxState = 'ready' | 'not-ready';
export type ContainerState = 'created' | 'running' | 'exited' | 'unknown';

/** `created`: made, never started. `running`: a process is there. `waiting`: between two attempts. `exited`: ended for good. */
export type ContainerPhase = ContainerState | 'waiting';

/** A container's name for the outside, `backend://id` as Kubernetes writes it. */
export function formatContainerId(backend: string, id: string): string {
  return `${backend}://${id}`;
}

/**
 * Takes `backend://id` apart.
 * @throws PodwrightError kind `invalid-argument` when the text has no such form
 */
export function parseContainerId(text: string): { backend: string; id: string } {
  const match = /^([a-z][a-z0-9-]*):\/\/(.+)$/.exec(text);
  if (!match?.[1] || !match[2]) {
    throw new PodwrightError(
      'invalid-argument',
      `"${text}" is no container id: it has to read backend://id, such as systemd://4f1c….`,
      { details: { value: text } },
    );
  }
  return { backend: match[1], id: match[2] };
}

/** How one run of a container ended, or that it goes on. Attempts count from 0. */
export interface ContainerAttempt {
  readonly attempt: number;
  readonly startedAtMs: number;
  /** Absent while it runs. */
  readonly finishedAtMs?: number;
  /** 0 to 255; 128 + n when signal n ended it. Absent while it runs. */
  readonly exitCode?: number;
  /** Number of the signal that ended it, if one did. */
  readonly signal?: number;
  /** Kubernetes' words: `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`, `Unknown`. */
  readonly reason?: string;
  readonly message?: string;
}

/** `Always`, `OnFailure` and `Never`, as in Kubernetes. */
export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

/** Who starts a container again when it ends: its caller, or the backend by itself (`features.supervisedRestart`). */
export type RestartOwner =
  | { readonly by: 'caller' }
  | { readonly by: 'backend'; readonly policy: RestartPolicy };

/** `pod`: one of the pod's own; `node`: the host's; `container`: each container's own. */
export type NetworkMode = 'pod' | 'node';
export type IpcMode = 'pod' | 'node';
/** `pod`: one for all containers of the pod, with a first process of the pod's own. */
export type PidMode = 'container' | 'pod' | 'node';
/** `pod`: the pod's own ids, root in it being nobody on the host; `node`: the host's. */
export type UserNamespaceMode = 'pod' | 'node';

/** One line of the pod's /etc/hosts. */
export interface HostAlias {
  readonly ip: string;
  readonly hostnames: readonly string[];
}

/** A range of ids inside a user namespace and where it lies on the host (user_namespaces(7)). */
export interface IdMapping {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

export interface PortMapping {
  readonly protocol: Protocol;
  readonly containerPort: number;
  readonly hostPort: number;
  /** Address on the host; absent: all addresses. */
  readonly hostIp?: string;
}

export interface DnsConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** `None`: a pod has the name servers that it names alone; `Default`: it has the node's. */
export type DnsPolicy = 'Default' | 'None';

export type MountPropagation = 'private' | 'host-to-container' | 'bidirectional';

/** A directory or file of the host shown in a container. */
export interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly?: boolean;
  /** Mounts below it become read-only too; a kernel that cannot do that is kind `unsupported`. Only with `readOnly`. */
  readonly recursiveReadOnly?: boolean;
  readonly propagation?: MountPropagation;
  /** Path below `hostPath` to show instead of it; no link in it leads out of `hostPath`. Made as a directory if absent. */
  readonly subPath?: string;
  /** A directory is made at `hostPath` when nothing is there, as CRI runtimes do; otherwise that is an error. */
  readonly createHostPath?: boolean;
  /** In a pod with a user namespace: files belong inside to the ids that they have on the host (mount_setattr(2)). */
  readonly idMapped?: boolean;
}

/** A device node of the host given to a container. */
export interface Device {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Some of `r`, `w`, `m`. */
  readonly permissions: string;
}

/** Limits and shares; absent means none set. */
export interface ContainerResources {
  /** CPU time per second in thousandths of a core that the container may use at most. */
  readonly cpuLimitMillis?: number;
  /** Thousandths of a core the container is sure of when cores are short. */
  readonly cpuRequestMillis?: number;
  readonly memoryLimitBytes?: number;
  readonly memoryRequestBytes?: number;
  readonly pidsLimit?: number;
  /** Memory and swap together; not below `memoryLimitBytes`. */
  readonly memorySwapLimitBytes?: number;
  /** Swap alone, 0 for none, also without a limit of memory; instead of `memorySwapLimitBytes`. */
  readonly swapLimitBytes?: number;
  /** Cores and memory nodes it may use, as in cpuset(7): `0-2,4`. */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** Bytes by page size as the kernel writes it, e.g. `{'2MB': 4194304}`. */
  readonly hugepageLimits?: Readonly<Record<string, number>>;
  /** -1000 to 1000, proc(5): how soon the kernel kills it when memory is short. */
  readonly oomScoreAdj?: number;
}

/** A resource limit of a process (setrlimit(2)), such as RLIMIT_NOFILE. */
export interface Rlimit {
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

export interface SeccompProfile {
  readonly type: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  /** For `Localhost` only: a path on the host, or below the backend's directory of profiles. */
  readonly localhostPath?: string;
}

export interface AppArmorProfile {
  readonly type: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  /** Name of a profile that the kernel has loaded, for `Localhost` only. */
  readonly localhostProfile?: string;
}

/** Parts of an SELinux label; absent ones are the host's defaults. */
export interface SeLinuxOptions {
  readonly user?: string;
  readonly role?: string;
  readonly type?: string;
  readonly level?: string;
}

export interface ContainerSecurity {
  readonly privileged?: boolean;
  /** User id; wins over the image's user. */
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  /** Name of a user of the image's passwd file; not together with `runAsUser`. */
  readonly runAsUserName?: string;
  /** Refuse to start as user 0. */
  readonly runAsNonRoot?: boolean;
  readonly supplementalGroups?: readonly number[];
  /** `Merge` (default): also the groups that the image's group file gives the user; `Strict`: only those above. */
  readonly supplementalGroupsPolicy?: 'Merge' | 'Strict';
  /** With or without `CAP_`; `ALL` is allowed. */
  readonly addCapabilities?: readonly string[];
  readonly dropCapabilities?: readonly string[];
  readonly readOnlyRootFilesystem?: boolean;
  /** False sets no_new_privs. */
  readonly allowPrivilegeEscalation?: boolean;
  readonly seccomp?: SeccompProfile;
  readonly appArmor?: AppArmorProfile;
  readonly seLinux?: SeLinuxOptions;
  /** Absent: the OCI default lists; empty: none. */
  readonly maskedPaths?: readonly string[];
  readonly readOnlyPaths?: readonly string[];
}

/** An image as a backend's store has it. */
export interface Image {
  /** The store's id, `sha256:…` of the image's configuration. */
  readonly id: string;
  /** Normalized names with tags, e.g. `docker.io/library/busybox:1.36`. */
  readonly repoTags: readonly string[];
  /** Normalized names with digests, e.g. `docker.io/library/busybox@sha256:…`. */
  readonly repoDigests: readonly string[];
  readonly sizeBytes: number;
  readonly createdAtMs?: number;
  /** Numeric user of the image's configuration, if it is a number. */
  readonly uid?: number;
  /** User name of the image's configuration, if it is a name. */
  readonly username?: string;
  readonly labels: StringMap;
  /** Garbage collection leaves it alone. */
  readonly pinned?: boolean;
  /** Paths that the image declares as volumes (`declaredVolumes`); absent: none. */
  readonly volumes?: readonly string[];
}
