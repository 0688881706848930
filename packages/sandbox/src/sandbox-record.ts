import type {
  ContainerResources,
  DnsConfig,
  DnsPolicy,
  HostAlias,
  IdMapping,
  IpcMode,
  NetworkMode,
  PidMode,
  PodSandboxConfig,
  PodSandboxMetadata,
  PortMapping,
  StringMap,
  UserNamespaceMode,
} from '@podwright/core';
import type { ProcessIdentity } from '@podwright/nsenter';
import type { CniAttachment } from './cni/cni-invocation.js';
import type { NamespacePaths } from './namespaces/namespace-pinner.js';
import type { PodNetworkAttachment } from './network/network-attachments.js';

/** Version of the record's format; a greater one is of a newer agent and is left alone. */
export const SANDBOX_RECORD_VERSION = 2;

/** What a sandbox is made of: the contract's configuration, and what a backend or a CRI server adds. */
export interface SandboxConfig extends PodSandboxConfig {
  /** Slice or cgroup in which the pod's containers run; kept for the backend, not used here. */
  readonly cgroupParent?: string;
  /** Kept for the backend, as are all below. */
  readonly runtimeHandler?: string;
  /** Directory of the containers' logs for a kubelet. */
  readonly logDirectory?: string;
  /** SELinux labels of the pod's processes and mounts. */
  readonly processLabel?: string;
  readonly mountLabel?: string;
  /** Privileged containers are allowed in it. */
  readonly privileged?: boolean;
  /** Seccomp profile of the pod, a path on the host. */
  readonly seccompPath?: string;
}

/** Paths on the host of the files that containers of the sandbox see. */
export interface SandboxFilePaths {
  /** For /etc/hosts. */
  readonly hosts: string;
  /** For /etc/resolv.conf. */
  readonly resolvConf: string;
  /** For /etc/hostname. */
  readonly hostname: string;
  /** For /dev/shm: a tmpfs of the pod's own, or the host's with the node's IPC namespace. */
  readonly shm: string;
}

/** All that is remembered of a sandbox, over restarts of the agent and of the host. The one record there is. */
export interface SandboxRecord {
  readonly version: typeof SANDBOX_RECORD_VERSION;
  readonly id: string;
  /** Told from every other sandbox of this pod: `name_namespace_uid_attempt`. */
  readonly name: string;
  /** The pod's name in Kubernetes. */
  readonly kubeName: string;
  /** The pod's namespace in Kubernetes. */
  readonly namespace: string;
  readonly metadata: PodSandboxMetadata;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly createdAtMs: number;
  /** The host's boot in which its namespaces were made. */
  readonly bootId: string;
  readonly hostname: string;
  readonly domain?: string;
  readonly hostAliases: readonly HostAlias[];
  readonly network: NetworkMode;
  /** The node's network; the same as `network`, for who reads the file. */
  readonly hostNetwork: boolean;
  readonly ipc: IpcMode;
  readonly pid: PidMode;
  readonly userNamespace: UserNamespaceMode;
  /** Where its ids lie on the host, users and groups alike; empty with the node's user namespace. */
  readonly idMappings: readonly IdMapping[];
  /** Managed namespaces: its own, pinned here; the node's have no path. */
  readonly namespaces: NamespacePaths;
  /** Its first process, if it has one. */
  readonly infra?: ProcessIdentity;
  readonly logDirectory?: string;
  readonly processLabel?: string;
  readonly mountLabel?: string;
  readonly cgroupParent?: string;
  readonly privileged: boolean;
  readonly runtimeHandler?: string;
  readonly seccompPath?: string;
  readonly persist: boolean;
  readonly resources?: ContainerResources;
  readonly sysctls: StringMap;
  /** The primary one first. */
  readonly ips: readonly string[];
  /** What it is connected to, the primary network first. */
  readonly networks: readonly PodNetworkAttachment[];
  readonly portMappings: readonly PortMapping[];
  readonly dns?: DnsConfig;
  readonly dnsPolicy: DnsPolicy;
  /** Networks that are still to be taken down, with all that it takes; empty when `networkStopped`. */
  readonly cni: readonly CniAttachment[];
  readonly files: SandboxFilePaths;
  /** Everything was made. A record without it is of a creation that an agent's end broke off. */
  readonly created: boolean;
  /** Somebody asked for its end: what of it is not done yet is tried again, also by the next agent. */
  readonly stopping: boolean;
  /** The networks were taken down. */
  readonly networkStopped: boolean;
  /** The networks were taken down and the namespaces let go. */
  readonly stopped: boolean;
}
