import { PodwrightError } from '@podwright/core';
import type { WebSocket } from 'ws';
import { type ChannelProtocol, parsePort } from '../protocols.js';
import type { PortForwardStreamRequest } from '../streaming-server.js';
import { ChannelSocket } from './channel-socket.js';
import { forwardPort } from './port-forwarder.js';
import type { ServeOptions } from './serve-options.js';
import { watchWebSocket, webSocketClosed } from './websocket-client.js';

/** Two channels a port have to fit before the one that is reserved. */
const MAX_PORTS = 127;

/**
 * The ports of the old protocol: those of the query (`port=80&port=443` or `port=80,443`), otherwise the request's own.
 * @throws PodwrightError kind `invalid-argument`
 */
export function portsOf(query: URLSearchParams, request: PortForwardStreamRequest): number[] {
  const named = query.getAll('port').flatMap((value) => value.split(','));
  const ports = named.map((text) => {
    const port = parsePort(text);
    if (port !== undefined) return port;
    throw new PodwrightError(
      'invalid-argument',
      `query parameter "port": ${JSON.stringify(text)} is no port`,
    );
  });
  const all = ports.length > 0 ? ports : [...(request.ports ?? [])];
  if (all.length === 0) throw new PodwrightError('invalid-argument', 'query parameter "port" is required');
  if (all.length > MAX_PORTS) {
    throw new PodwrightError(
      'invalid-argument',
      `query parameter "port": at most ${MAX_PORTS} ports at once`,
    );
  }
  return all;
}

/** Serves the old port-forward on a WebSocket; resolves when the client has gone. Never fails. */
export async function serveWebSocketPortForward(
  socket: WebSocket,
  request: PortForwardStreamRequest,
  ports: readonly number[],
  protocol: ChannelProtocol,
  options: ServeOptions,
): Promise<void> {
  const gone = watchWebSocket(socket, options);
  const channels = new ChannelSocket(socket, protocol, ports.length * 2, options.idleTimeoutMs);
  const forwards = ports.map((port, index) => {
    const data = channels.channel(index * 2);
    const error = channels.channel(index * 2 + 1);
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16LE(port);
    data.write(prefix);
    error.write(prefix);
    return forwardPort(request, port, { data, error }, gone, options.logger);
  });
  channels.start();
  await Promise.all(forwards);
  channels.close();
  await webSocketClosed(socket);
}
