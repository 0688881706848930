import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { PodwrightError } from '@podwright/core';
import { SpdyConnection, type SpdyConnectionOptions } from '../spdy/spdy-connection.js';
import type { ServeOptions } from './serve-options.js';

/** A client's connection to the server, as long as it lasts. */
export interface SpdyClient {
  readonly connection: SpdyConnection;
  /** Fires when the client has gone. */
  readonly gone: AbortSignal;
}

/** Speaks SPDY with a client on an upgraded connection; it is dropped when the server is disposed of. */
export function meetSpdyClient(
  transport: Duplex,
  streams: Pick<SpdyConnectionOptions, 'accept' | 'onStream'>,
  options: ServeOptions,
): SpdyClient {
  const connection = new SpdyConnection(transport, {
    role: 'server',
    idleTimeoutMs: options.idleTimeoutMs,
    ...streams,
  });
  const gone = new AbortController();
  // Every forwarded connection listens.
  setMaxListeners(0, gone.signal);
  const onDispose = () => connection.destroy();
  options.signal.addEventListener('abort', onDispose, { once: true });
  void connection.closed.then(() => {
    options.signal.removeEventListener('abort', onDispose);
    gone.abort(new PodwrightError('cancelled', 'The client of the streams has gone.'));
  });
  connection.start();
  if (options.signal.aborted) onDispose();
  return { connection, gone: gone.signal };
}
