// The contracts of Podwright. Start reading at container-runtime.ts (what agents call) and runtime-service.ts (what
// backends implement).
export type { BackendContext, BackendModuleFactory, RuntimeAccess } from './backend-module.js';
export type { CallOptions } from './call-options.js';
export { Clock, SystemClock } from './clock.js';
export { ContainerRuntime } from './container-runtime.js';
export type {
  ContainerConfig,
  ContainerFilter,
  ContainerMetadata,
  ContainerStatus,
  ContainerUser,
  TerminationMessage,
} from './container-types.js';
export {
  type ApiContainerState,
  type ApiContainerStatus,
  type ApiPodCondition,
  type ApiPodStatus,
  type ApiPodStatusOptions,
  type ApiTerminatedState,
  type ApiTime,
  toApiPodStatus,
} from './deciders/api-pod-status.js';
export { crashLoopDelayMs, DEFAULT_RESTART_BACKOFF, RestartBackoff } from './deciders/crash-loop.js';
export { hasLabels, isWanted } from './deciders/filters.js';
export { computeGc, type GcContainer, type GcDecision, type GcPod } from './deciders/garbage-collection.js';
export {
  checkImageGcPolicy,
  computeImageGc,
  type GcImage,
  type ImageGcDecision,
  type ImageGcPolicy,
  type ImageGcState,
} from './deciders/image-gc.js';
export { type PullFailures, pullBackoffMs, withPullFailure } from './deciders/image-pull-backoff.js';
export {
  decideOrphans,
  type Orphan,
  type OrphanDecision,
  type OrphanMarks,
} from './deciders/orphan-marks.js';
export {
  CONTAINER_KIND_ANNOTATION,
  type ContainerHealth,
  computePodActions,
  type PodAction,
  type PodActionsInput,
} from './deciders/pod-actions.js';
export {
  CONTAINER_HASH_ANNOTATION,
  containerHash,
  podResourcesNow,
  RESOURCES_ANNOTATION,
  SANDBOX_HASH_ANNOTATION,
  sandboxHash,
} from './deciders/pod-actions-hash.js';
export {
  isSidecar,
  needsAgent,
  nextAttempt,
  restartAtMs,
  restartOwner,
  restartPolicyOf,
  SERIES_ANNOTATION,
  seriesLength,
} from './deciders/pod-actions-restart.js';
export { type PodPhaseInput, podPhase } from './deciders/pod-phase.js';
export {
  checkContainerResources,
  mergeResources,
  oomScoreAdj,
  parseCpuset,
} from './deciders/resource-limits.js';
export {
  containerResources,
  liftedAmounts,
  type PodAmount,
  podResources,
  type QosClass,
  qosClass,
} from './deciders/resources.js';
export { type ErrorKind, messageOf, PodwrightError } from './errors.js';
export { fired, HurriedStops, hurriedBy } from './hurried-stops.js';
export { isPinned } from './image-patterns.js';
export {
  formatImageReference,
  type ImageReference,
  normalizeImageReference,
  parseImageReference,
} from './image-reference.js';
export {
  type ImageFsInfo,
  ImageService,
  type PullEvent,
  type PullOptions,
  type RegistryAuth,
} from './image-service.js';
export { anonymousVolumes, declaredVolumes } from './image-volumes.js';
export { KeyedMutex, throwIfAborted } from './keyed-mutex.js';
export { Logger, silentLogger } from './logger.js';
export {
  type ConfigMap,
  type ConfigObject,
  configContent,
  parseConfigObject,
  type Secret,
} from './manifest/config-object.js';
export {
  type ContainerEnv,
  type ContainerEnvContext,
  containerEnv,
  expandSubPath,
  type SkippedKeys,
} from './manifest/container-env.js';
export { expandEnv, expandVariables } from './manifest/expansion.js';
export { type ManifestField, manifestFields } from './manifest/known-fields.js';
export { type Manifests, parseManifests } from './manifest/manifests.js';
export { relativePathProblem } from './manifest/names.js';
export { nearestName } from './manifest/nearest-name.js';
export {
  type Container,
  type Pod,
  type PullPolicy,
  parsePod,
  podJsonSchema,
  type Volume,
} from './manifest/pod.js';
export type { ManifestProblem } from './manifest/problems.js';
export { defaultPullPolicy } from './manifest/pull-policy.js';
export { quantityBytes, quantityMillis } from './manifest/quantity.js';
export type { NodeCapacity } from './manifest/value-lookup.js';
export { type VolumeFile, type VolumeFilesContext, volumeFiles } from './manifest/volume-files.js';
export {
  type AppArmorProfile,
  type ContainerAttempt,
  type ContainerPhase,
  type ContainerResources,
  type ContainerSecurity,
  type ContainerState,
  type Device,
  type DnsConfig,
  type DnsPolicy,
  type EnvVar,
  formatContainerId,
  type HostAlias,
  type IdMapping,
  type Image,
  type IpcMode,
  type Mount,
  type MountPropagation,
  type NetworkMode,
  type PidMode,
  type PortMapping,
  type Protocol,
  parseContainerId,
  type RestartOwner,
  type RestartPolicy,
  type Rlimit,
  type SandboxState,
  type SeccompProfile,
  type SeLinuxOptions,
  type StringMap,
  type UserNamespaceMode,
} from './model.js';
export {
  EGRESS_BANDWIDTH_ANNOTATION,
  INGRESS_BANDWIDTH_ANNOTATION,
  NETWORKS_ANNOTATION,
} from './network-annotations.js';
export type { OciImageConfig, OciImageExecution } from './oci-image-config.js';
export { parseOptions } from './parse-options.js';
export { pidModeOf } from './pid-mode.js';
export { EventRecorder, type PodEvent, type PodEventReason, type PodObjectReference } from './pod-events.js';
export {
  type ContainerOptionsContext,
  ContainerOptionsGenerator,
  type PodRecord,
  PodStore,
  type ProbeChange,
  type ProbeKind,
  type ProbeResult,
  ProbeResults,
  VolumeProvider,
  type VolumeSetUpOptions,
  type VolumeUsage,
} from './pod-plugs.js';
export type {
  ContainerKind,
  ContainerRef,
  EphemeralContainer,
  GcOptions,
  GcPolicy,
  GcResult,
  PodActionResult,
  PodContainer,
  PodFilter,
  PodPhase,
  PodRef,
  PodStats,
  PodStatus,
  PodSummary,
  RunPodOptions,
  RunPodResult,
  SyncPodResult,
} from './pod-types.js';
export { credentialsFor, type PullSecret, pullSecretOf } from './pull-secret.js';
export { restartBackoffOption } from './restart-backoff-option.js';
export {
  ORPHAN_GRACE_MS,
  type OrphanOptions,
  type OrphanReport,
  type RuntimeCondition,
  type RuntimeEvent,
  type RuntimeFeatures,
  RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
  type UpdateSandboxOptions,
} from './runtime-service.js';
export { SandboxRestorer } from './sandbox-restorer.js';
export type {
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxMetadata,
  PodSandboxStatus,
} from './sandbox-types.js';
export type {
  ContainerStats,
  CpuStats,
  FilesystemUsage,
  IoStats,
  MemoryStats,
  NetworkInterfaceStats,
  PodSandboxStats,
  StatsOptions,
} from './stats.js';
export type {
  CpuDetail,
  DeviceIoStats,
  FilesystemDetail,
  HugepageStats,
  LimitDetail,
  MemoryDetail,
  PressureDetail,
  ProcessDetail,
  StallTimes,
  StatsDetail,
  ThreadStates,
} from './stats-detail.js';
export type {
  AttachEnd,
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
  TerminalSize,
} from './stream-types.js';
export { systemErrorCode, systemErrorKind } from './system-errors.js';
export { UndoStack } from './undo-stack.js';
export { type UnsupportedField, unsupportedField } from './unsupported-field.js';
export { compareVersions } from './versions.js';
export { withoutUndefined } from './without-undefined.js';
