// createRuntime(config) and the command podwright. Start reading at create-runtime.ts; the command is in cli/.
export { type ConfigSources, loadRuntimeConfig } from './config-sources.js';
export { consoleLogger } from './console-logger.js';
export { type CreateRuntimeOptions, createContainer, createRuntime } from './create-runtime.js';
export {
  type ResolvedRuntimeConfig,
  type RuntimeConfig,
  resolveRuntimeConfig,
  runtimeConfigSchema,
} from './runtime-config.js';
