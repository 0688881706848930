// A CRI v1 endpoint in front of any RuntimeService and ImageService of core. Start reading at cri-server.ts (the socket),
// cri-runtime-service.ts (the calls) and mapping/ (the messages).
export { toNanoseconds } from './mapping/nanoseconds.js';
