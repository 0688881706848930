// OCI runtime-spec documents out of container configurations, and the command lines of crun, runc and conmon. Start
// reading at build-oci-spec.ts.
export {
  buildOciSpec,
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
export { type ConmonOptions, type ConmonReport, conmonCommand, parseConmonReport } from './conmon-command.js';
export { type DeviceAllow, type DeviceNode, deviceAllowList } from './devices.js';
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
export { type ResolvedUser, resolveUser, type UserFiles } from './resolve-user.js';
export type {
  OciCapabilities,
  OciDevice,
  OciDeviceRule,
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
