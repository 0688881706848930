// Running commands on the host. Start reading at host-executor.ts, then local-host-executor.ts.
export {
  type HostCommand,
  HostExecutor,
  type HostProcess,
  type HostResult,
  type RunCommand,
} from './host-executor.js';
export { LocalHostExecutor, LocalHostExecutorOptions } from './local-host-executor.js';
