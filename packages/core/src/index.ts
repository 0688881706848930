// The contracts of Podwright. Start reading at container-runtime.ts (what agents call) and runtime-service.ts (what
// backends implement).
export type { BackendContext, BackendModuleFactory, RuntimeAccess } from './backend-module.js';
export { Clock, SystemClock } from './clock.js';
export {
  type ContainerRef,
  ContainerRuntime,
  type GcOptions,
  type GcPolicy,
  type GcResult,
  type PodContainer,
  type PodFilter,
  type PodPhase,
  type PodRef,
  type PodStatus,
  type PodSummary,
  type RunPodResult,
} from './container-runtime.js';
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
export { crashLoopDelayMs } from './deciders/crash-loop.js';
export { computeGc, type GcContainer, type GcDecision, type GcPod } from './deciders/garbage-collection.js';
export { type PodPhaseInput, podPhase } from './deciders/pod-phase.js';
export { containerResources, podResources, type QosClass, qosClass } from './deciders/resources.js';
export { type ErrorKind, messageOf, PodwrightError } from './errors.js';
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
export { KeyedMutex, throwIfAborted } from './keyed-mutex.js';
export { Logger, silentLogger } from './logger.js';
export { expandEnv, expandVariables } from './manifest/expansion.js';
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
export {
  type ContainerAttempt,
  type ContainerPhase,
  type ContainerResources,
  type ContainerSecurity,
  type ContainerState,
  type Device,
  type DnsConfig,
  type EnvVar,
  formatContainerId,
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
  type StringMap,
} from './model.js';
export type { OciImageConfig, OciImageExecution } from './oci-image-config.js';
export { parseOptions } from './parse-options.js';
export { EventRecorder, type PodEvent, type PodEventReason, type PodObjectReference } from './pod-events.js';
export {
  type ContainerOptionsContext,
  ContainerOptionsGenerator,
  type PodRecord,
  PodStore,
  type ProbeResult,
  ProbeResults,
  VolumeProvider,
} from './pod-plugs.js';
export {
  type CallOptions,
  type ContainerConfig,
  type ContainerFilter,
  type ContainerMetadata,
  type ContainerStatus,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  type LogEntry,
  type LogOptions,
  type OrphanReport,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxMetadata,
  type PodSandboxStatus,
  type RuntimeCondition,
  type RuntimeEvent,
  type RuntimeFeatures,
  RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
  type StopOptions,
  type TerminalSize,
} from './runtime-service.js';
export { systemErrorCode, systemErrorKind } from './system-errors.js';
export { UndoStack } from './undo-stack.js';
export { compareVersions } from './versions.js';
