export {
  type HostCommand,
  HostExecutor,
  type HostProcess,
  type HostResult,
  type RunCommand,
} from './host-executor.js';
