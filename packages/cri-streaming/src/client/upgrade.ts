import { type IncomingMessage, request } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type CallOptions, PodwrightError, throwIfAborted } from '@podwright/core';
import { PROTOCOL_HEADER, SPDY_31 } from '../protocols.js';
import { SpdyConnection } from '../spdy/spdy-connection.js';
import { ReadFirstSocket } from './read-first-socket.js';

const HTTP_PORT = 80;
/** How much of a refusal's text is kept. */
const MAX_REFUSAL_BYTES = 4096;

/**
 * Comes to a streaming URL and speaks SPDY/3.1 with its server.
 * @param protocol of remotecommand or port-forward
 * @throws PodwrightError kind `not-found` (the URL was used or has expired), `unsupported` (no SPDY, not this protocol, or
 *   TLS), `unavailable`, `cancelled`, `invalid-argument` (no URL)
 */
export async function connectSpdy(
  url: string,
  protocol: string,
  options: CallOptions = {},
): Promise<SpdyConnection> {
  throwIfAborted(options.signal);
  const socket = await upgrade(parse(url), protocol, options);
  const connection = new SpdyConnection(socket, { role: 'client' });
  connection.start();
  return connection;
}

function parse(url: string): URL {
  if (!URL.canParse(url)) throw new PodwrightError('invalid-argument', `${JSON.stringify(url)} is no URL.`);
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:') {
    throw new PodwrightError(
      'unsupported',
      `The streaming URL ${redact(parsed)} is not plain HTTP. Set the runtime's streaming server to loopback without TLS.`,
    );
  }
  return parsed;
}

async function upgrade(url: URL, protocol: string, { signal }: CallOptions): Promise<Duplex> {
  const call = request(url, {
    method: 'POST',
    createConnection: ({ host, port }) =>
      new ReadFirstSocket().connect({ host: host ?? 'localhost', port: Number(port ?? HTTP_PORT) }),
    headers: { Connection: 'Upgrade', Upgrade: SPDY_31, [PROTOCOL_HEADER]: protocol, 'Content-Length': 0 },
  });
  const onAbort = () => call.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      call.on('upgrade', (response: IncomingMessage, socket: Duplex, head: Buffer) => {
        const answered = response.headers[PROTOCOL_HEADER.toLowerCase()];
        if (response.headers.upgrade?.toLowerCase() !== SPDY_31.toLowerCase() || answered !== protocol) {
          socket.destroy();
          reject(
            new PodwrightError(
              'unsupported',
              `The streaming server at ${url.host} does not speak ${protocol} over ${SPDY_31}.`,
              { details: { upgrade: response.headers.upgrade, protocol: answered } },
            ),
          );
          return;
        }
        if (socket instanceof Socket) socket.setNoDelay(true);
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      call.on('response', (response) => {
        readRefusal(url, response).then(reject, reject);
      });
      call.on('error', (cause) => {
        const message = `Connecting to the streaming server at ${url.host} failed: ${cause.message}`;
        reject(new PodwrightError('unavailable', message, { cause }));
      });
      call.end();
    });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function readRefusal(url: URL, response: IncomingMessage): Promise<PodwrightError> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_REFUSAL_BYTES) break;
  }
  const { statusCode = 0 } = response;
  const kind = statusCode === 404 ? 'not-found' : statusCode === 403 ? 'unsupported' : 'unavailable';
  const message = `The streaming server at ${url.host} refused with status ${statusCode}: ${text.trim()}`;
  return new PodwrightError(kind, message, { details: { statusCode } });
}

/** Without its token. */
function redact({ protocol, host }: URL): string {
  return `${protocol}//${host}/…`;
}
