import type {
  ContainerResources,
  DnsConfig,
  DnsPolicy,
  HostAlias,
  IdMapping,
  IpcMode,
  NetworkMode,
  PidMode,
  PortMapping,
  SandboxState,
  StringMap,
  UserNamespaceMode,
} from './model.js';

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
  /** What `dns` is to the node's own: `None` (default): in its place; `Default`: added to it, as a pod's `dnsConfig`. */
  readonly dnsPolicy?: DnsPolicy;
  readonly portMappings: readonly PortMapping[];
  /** Domain of the pod: with it, /etc/hosts knows the pod as `hostname.domain` too. */
  readonly domain?: string;
  /** Further lines of the pod's /etc/hosts. */
  readonly hostAliases?: readonly HostAlias[];
  /** Kernel parameters of the pod's own namespaces, by name with dots; one of the node's is kind `invalid-argument`. */
  readonly sysctls?: StringMap;
  /** Default: `node`. */
  readonly userNamespace?: UserNamespaceMode;
  /** It comes back after a reboot of the host, with its containers and the same identity (`features.persist`). */
  readonly persist?: boolean;
  /** With `userNamespace: 'pod'`: where its ids lie on the host; absent: the backend allots them. */
  readonly idMappings?: readonly IdMapping[];
  /** Limits over the whole pod. */
  readonly resources?: ContainerResources;
  /**
   * The control group in which the pod is to be, as the backend's host names it: with systemd the name of a slice, such
   * as `kubepods-burstable-pod4f1c.slice`, whose limits are its maker's. Absent: the backend's own.
   */
  readonly cgroupParent?: string;
  /** One of `RuntimeFeatures.runtimeHandlers`; absent: the default. */
  readonly runtimeHandler?: string;
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
  readonly ipc: IpcMode;
  readonly pid: PidMode;
  /** Where the pod's ids lie on the host; absent with the host's own. */
  readonly idMappings?: readonly IdMapping[];
  /** As in the configuration. */
  readonly runtimeHandler?: string;
  readonly labels: StringMap;
  readonly annotations: StringMap;
}
