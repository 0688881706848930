// Running commands on the host. Start reading at host-executor.ts, then local-host-executor.ts; for an agent in a
// container at nsenter.ts.
export { type AtomicFileOptions, syncDirectory, writeFileAtomic } from './atomic-file.js';
export { FakeMounter, type FakeMounterOptions } from './fake-mounter.js';
export { createFakeNsenter, type FakeNsenterOptions } from './fake-nsenter.js';
export {
  type HostCommand,
  HostExecutor,
  type HostProcess,
  type HostResult,
  type RunCommand,
} from './host-executor.js';
export {
  type FoundHostProgram,
  findHostProgram,
  type HostProgram,
  hostProgramsOf,
  type UsesHostPrograms,
} from './host-program.js';
export { checkHostPropagation } from './host-propagation.js';
export { followHostPath } from './host-root.js';
export { HostRootNsenter } from './host-root-nsenter.js';
export { LocalHostExecutor, LocalHostExecutorOptions } from './local-host-executor.js';
export { LocalMounter } from './local-mounter.js';
export {
  isAtOrBelow,
  type Mount,
  type MountPropagation,
  mountAt,
  mountOf,
  mountRefs,
  parseMountInfo,
} from './mount-info.js';
export { bindPlan, type MountPlan, type MountRequest, mountArguments } from './mount-plan.js';
export {
  type CleanUpOptions,
  type MountCallOptions,
  Mounter,
  type MounterCallOptions,
  PROPAGATIONS,
  type Propagation,
  type UnmountCallOptions,
} from './mounter.js';
export { AgentExecutor, HOST_TOOL_DIRS, Nsenter, NsenterOptions, REQUIRED_HOST_TOOLS } from './nsenter.js';
export {
  type NamespaceKind,
  type NsenterTarget,
  nsenterCommand,
  type ProcessTarget,
  processTarget,
} from './nsenter-command.js';
export { NsenterHostExecutor } from './nsenter-host-executor.js';
export { type NsenterModuleOptions, nsenterModule } from './nsenter-module.js';
export { NsenterMounter } from './nsenter-mounter.js';
export { HelperPortForwarder, PortForwarder, type PortForwardTarget } from './port-forwarder.js';
export {
  isInUnit,
  type PinnedProcess,
  type ProcessExpectation,
  type ProcessIdentity,
  type ProcessStat,
  parseProcStat,
  pinProcess,
  readProcessIdentity,
  verifyProcess,
} from './process-identity.js';
export { describeCommand, maskSecrets } from './secrets.js';
export { shellQuote } from './shell-quote.js';
export { utilLinux } from './util-linux.js';
