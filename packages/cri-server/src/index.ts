// A CRI v1 endpoint in front of any RuntimeService and ImageService of core. Start reading at cri-server.ts (the socket),
// cri-runtime-service.ts (the calls) and mapping/ (the messages).
export { CriServer } from './cri-server.js';
export { type CriServerModuleOptions, criServerModule } from './cri-server-module.js';
export { CriServerOptions } from './cri-server-options.js';
