import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { PROTOCOL_HEADER, SPDY_31 } from '../protocols.js';
import type { Refusal } from './upgrade-plan.js';

/** How long a refused client may take to hang up. */
const REFUSED_MS = 5_000;
/** Longest WebSocket message taken. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Answers an upgrade to SPDY; what the client has sent already comes first. */
export function switchToSpdy(socket: Duplex, head: Buffer, protocol: string): void {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', `Upgrade: ${SPDY_31}`];
  socket.write([...lines, `${PROTOCOL_HEADER}: ${protocol}`, '', ''].join('\r\n'));
  if (head.length > 0) socket.unshift(head);
}

/** The handshake; one that fails is answered by the library. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string,
  accepted: (webSocket: WebSocket) => void,
): void {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  // The library takes no protocol with a slash, which the tunnel's has: it is agreed on without its help.
  delete request.headers['sec-websocket-protocol'];
  if (protocol !== '') {
    server.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  }
  server.handleUpgrade(request, socket, head, accepted);
}

/** Answers, and closes as soon as the client does, so that it can read the answer whatever it still sends. */
export function refuse(socket: Duplex, refusal: Refusal): void {
  socket.end(httpAnswer(refusal));
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), REFUSED_MS).unref();
  socket.on('close', () => clearTimeout(timer));
}

function httpAnswer({ status, message, headers }: Refusal): string {
  const all = {
    ...headers,
    'Content-Type': 'text/plain',
    'Content-Length': String(Buffer.byteLength(message)),
    Connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', message].join('\r\n');
}
