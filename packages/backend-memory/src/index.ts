// A complete runtime without a kernel: for tests of agents, for examples, and for machines that cannot run containers.
// Start reading at memory-backend-module.ts, then memory-host.ts (the machine) and memory-runtime-service.ts.
export { BytePipe, type ByteSink, type ByteSource } from './machine/byte-pipe.js';
export { FileTree } from './machine/file-tree.js';
export type {
  ProcessExit,
  ProcessUser,
  Program,
  ProgramContext,
  SimulatedProcess,
} from './machine/simulated-process.js';
export { backendModule, memoryBackendModule } from './memory-backend-module.js';
export { MemoryHost } from './memory-host.js';
export type {
  MemoryHostOptions,
  MemoryOptions,
  MemoryRegistryOptions,
  RegistryImage,
  RestartBackoff,
} from './memory-options.js';
export type { ArchiveFormat } from './store/image-archive.js';
export { unenforcedFields, unsupportedFields } from './unsupported-fields.js';
