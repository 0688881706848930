// A backend that runs pods on the far side of a Unix socket. Start reading at backend-module.ts (the near side, what
// createRuntime loads) and serve-backend.ts (the far side).
export { backendModule } from './backend-module.js';
export type { FarServices } from './remote-host.js';
export { serveBackend } from './serve-backend.js';
