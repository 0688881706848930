// The backend for runtimes behind a CRI socket. Start reading at cri-runtime-service.ts, then cri-containers.ts and
// state-watcher.ts; to-cri-*.ts are the contracts as the CRI's messages.
export { CriBackendOptions, criBackendOptionsSchema, parseCriBackendOptions } from './backend-options.js';
export { backendModule } from './cri-backend-module.js';
export { CriConnection } from './cri-connection.js';
export { CriImageService } from './cri-image-service.js';
export { CriRuntimeService } from './cri-runtime-service.js';
export { runtimeError } from './runtime-errors.js';
export { unsupportedFields } from './unsupported-fields.js';
