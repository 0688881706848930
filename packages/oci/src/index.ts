// OCI runtime-spec documents out of container configurations, the command lines of crun, runc and conmon, and exec.
// Start reading at build-oci-spec.ts and exec-handler.ts.
export {
  buildOciSpec,
  COMPILED_SECCOMP_ANNOTATION,
  defaultMaskedPaths,
  defaultReadOnlyPaths,
  type NamespaceChoice,
  type OciHostFacts,
  type OciSandbox,
  type OciSpecInput,
} from './build-oci-spec.js';
export {
  capabilitiesOfMask,
  capabilityName,
  capabilityNumbers,
  defaultCapabilities,
  resolveCapabilities,
} from './capabilities.js';
export { collectExec } from './collect-exec.js';
export {
  BridgedConmonAttach,
  ConmonAttach,
  type ConmonAttachRequest,
  type ConmonConnection,
} from './conmon-attach.js';
export { type ConmonOptions, type ConmonReport, conmonCommand, parseConmonReport } from './conmon-command.js';
export { type DeviceAllow, type DeviceNode, deviceAllowList } from './devices.js';
export { ExecHandler, type ExecHandlerKind, type ExecRequest } from './exec-handler.js';
export { buildExecProcess, type ExecProcessOptions, openFilesLimit } from './exec-process.js';
export { gatedCommand, startGated } from './gated-command.js';
export { hostFacts, readHostFacts } from './host-facts.js';
export { type ImageFileOptions, opaqueDirectories, readImageFile } from './image-file.js';
export { type AccessLabels, accessLabels, type MandatoryAccess } from './mandatory-access.js';
export { NsenterExec, refusal as nsenterRefusal } from './nsenter-exec.js';
export { GatedOciExec } from './oci-exec.js';
export { type OciModuleOptions, ociModule } from './oci-module.js';
export { OciOptions } from './oci-options.js';
export { type FoundProgram, HostOciRuntime, type OciPrograms, OciRuntime } from './oci-runtime.js';
export {
  type CommandLine,
  type OciRuntimeBinary,
  type RuntimeFlavour,
  runtimeCreate,
  runtimeDelete,
  runtimeExec,
  runtimeGlobalArgs,
  runtimeKill,
  runtimeStart,
  runtimeState,
} from './oci-runtime-command.js';
export { killProcessTree } from './process-tree.js';
export { readAllDeviceNodes, readDeviceNodes } from './read-device-nodes.js';
export { type ResolvedUser, resolveUser, type UserFiles } from './resolve-user.js';
export { runtimeErrors } from './runtime-errors.js';
export type {
  OciCapabilities,
  OciDevice,
  OciDeviceRule,
  OciIdMapping,
  OciLinux,
  OciMount,
  OciNamespace,
  OciProcess,
  OciRlimit,
  OciSeccomp,
  OciSpec,
  OciSyscallRule,
  OciUser,
} from './runtime-spec.js';
export { resolveSeccomp, type SeccompFacts } from './seccomp.js';
export { HostSeccompProfiles, SeccompProfiles } from './seccomp-profiles.js';
export { stopSignal } from './stop-signal.js';
export { checkProgramVersion, minimumVersions, type OciProgram, parseProgramVersion } from './versions.js';
