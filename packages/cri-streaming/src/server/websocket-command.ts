import type { WebSocket } from 'ws';
import { type ChannelProtocol, STREAM_TYPES } from '../protocols.js';
import type { AttachStreamRequest, ExecStreamRequest } from '../streaming-server.js';
import { ChannelSocket } from './channel-socket.js';
import { runCommand } from './command-runner.js';
import type { ServeOptions } from './serve-options.js';
import { watchWebSocket, webSocketClosed } from './websocket-client.js';

/** Serves exec or attach on a WebSocket; resolves when the client has gone. Never fails. */
export async function serveWebSocketCommand(
  socket: WebSocket,
  request: ExecStreamRequest | AttachStreamRequest,
  protocol: ChannelProtocol,
  options: ServeOptions,
): Promise<void> {
  const gone = watchWebSocket(socket, options);
  const channels = new ChannelSocket(socket, protocol, STREAM_TYPES.length, options.idleTimeoutMs);
  const channel = (type: (typeof STREAM_TYPES)[number]) => channels.channel(STREAM_TYPES.indexOf(type));
  channels.start();
  // An empty message on the first channel tells the client that all is set up, as the kubelet does it.
  const first = request.stdout ? 'stdout' : request.stderr ? 'stderr' : 'error';
  channels.send(STREAM_TYPES.indexOf(first), Buffer.alloc(0), () => undefined);
  await runCommand(
    request,
    {
      stdin: channel('stdin'),
      stdout: channel('stdout'),
      stderr: channel('stderr'),
      error: channel('error'),
      resize: channel('resize'),
    },
    protocol.version,
    gone,
    options.logger,
  );
  channels.close();
  await webSocketClosed(socket);
}
