// The streaming protocols of Kubernetes: exec, attach and port-forward over SPDY/3.1 and WebSocket. Start reading at
// streaming-server.ts (the server), client/remote-command.ts (the client) and spdy/spdy-connection.ts (the framing).
export type { RemoteCommand, RemoteCommandOptions } from './client/remote-command.js';
export { remoteExec } from './client/remote-exec.js';
export {
  connectPortForward,
  type RemotePortForward,
  remotePortForward,
} from './client/remote-port-forward.js';
export { criStreamingModule } from './cri-streaming-module.js';
export { serveAttachSession, serveConnection, serveExecSession } from './serve-session.js';
export { HttpStreamingServer } from './server/http-streaming-server.js';
export {
  type AttachStreamRequest,
  type CommandRequest,
  type CommandStreams,
  type ExecStreamRequest,
  type PortForwardStreamRequest,
  StreamingServer,
  StreamingServerOptions,
} from './streaming-server.js';
export { firstTerminalSize } from './terminal-size.js';
