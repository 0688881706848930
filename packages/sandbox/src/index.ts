// A pod's sandbox: namespaces, network, /dev/shm, files of /etc, and the record of it. Start reading at
// sandbox-manager.ts, then sandbox-builder.ts; CNI by itself is in cni/.
export { readBootId } from './boot-id.js';
export { CniClient } from './cni/cni-client.js';
export { type CniNetwork, type CniPluginConfig, type JsonObject, parseCniNetwork } from './cni/cni-config.js';
export type { CniAttachment } from './cni/cni-invocation.js';
export {
  type CniAddress,
  type CniInterface,
  type CniResult,
  parseCniResult,
  podAddresses,
} from './cni/cni-result.js';
export { fitDns, isLoopback, mergeDns, parseResolvConf } from './files/dns.js';
export { formatHosts, type HostsContent, nodeHosts } from './files/hosts.js';
export { infraCommand, infraInit } from './infra/infra-command.js';
export { InfraProcess, needsInfra } from './infra/infra-process.js';
export { DEFAULT_IDS, firstFree, IDS_PER_POD, type IdRange } from './namespaces/id-ranges.js';
export {
  findTarget,
  NamespaceMode,
  type NamespaceOptions,
  type SandboxModes,
  type TargetCandidate,
  toNamespaceOptions,
  toSandboxModes,
} from './namespaces/namespace-mode.js';
export {
  type NamespaceKind,
  type NamespacePaths,
  NamespacePinner,
  type PinnedKind,
  type PinRequest,
} from './namespaces/namespace-pinner.js';
export type { ManagedNamespace, SandboxNamespaces } from './namespaces/sandbox-namespaces.js';
export { type SysctlFile, sysctlFiles } from './namespaces/sysctls.js';
export { UserNamespaceRanges } from './namespaces/user-namespace-ranges.js';
export { DEFAULT_NETWORK_NAME } from './network/default-network.js';
export type { PodNetworkAttachment } from './network/network-attachments.js';
export { PodNetwork, type PodNetworkRequest, type PodNetworkStatus } from './network/pod-network.js';
export { type Registered, Registry } from './registry.js';
export { isReady, type ReadinessFacts, Sandbox, type SandboxContainer } from './sandbox.js';
export { SandboxManager } from './sandbox-manager.js';
export { type SandboxModuleOptions, sandboxModule } from './sandbox-module.js';
export { DEFAULT_SHM_SIZE_BYTES, SandboxOptions } from './sandbox-options.js';
export {
  SANDBOX_RECORD_VERSION,
  type SandboxConfig,
  type SandboxFilePaths,
  type SandboxRecord,
} from './sandbox-record.js';
export { type SandboxLoadResult, SandboxStore } from './sandbox-store.js';
export { type DirectoryUsage, DiskUsage } from './volumes/disk-usage.js';
export { HostVolumeProvider } from './volumes/host-volume-provider.js';
export { VolumeImages } from './volumes/volume-images.js';
export { VolumePaths } from './volumes/volume-paths.js';
export { volumesModule } from './volumes/volumes-module.js';
