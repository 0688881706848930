// Running commands on the host. Start reading at host-executor.ts, then local-host-executor.ts.
export { type AtomicFileOptions, syncDirectory, writeFileAtomic } from './atomic-file.js';
export {
  type HostCommand,
  HostExecutor,
  type HostProcess,
  type HostResult,
  type RunCommand,
} from './host-executor.js';
export { LocalHostExecutor, LocalHostExecutorOptions } from './local-host-executor.js';
export { type NsenterModuleOptions, nsenterModule } from './nsenter-module.js';
