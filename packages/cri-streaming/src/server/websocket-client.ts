import { setMaxListeners } from 'node:events';
import { PodwrightError } from '@podwright/core';
import type { WebSocket } from 'ws';
import type { ServeOptions } from './serve-options.js';

/**
 * Drops a WebSocket when the server is disposed of.
 * @returns a signal that fires when the client has gone
 */
export function watchWebSocket(socket: WebSocket, options: ServeOptions): AbortSignal {
  const gone = new AbortController();
  setMaxListeners(0, gone.signal);
  const drop = () => socket.terminate();
  options.signal.addEventListener('abort', drop, { once: true });
  socket.on('close', () => {
    options.signal.removeEventListener('abort', drop);
    gone.abort(new PodwrightError('cancelled', 'The client of the streams has gone.'));
  });
  if (options.signal.aborted) drop();
  return gone.signal;
}

/** Resolves when the WebSocket is closed. */
export async function webSocketClosed(socket: WebSocket): Promise<void> {
  if (socket.readyState === socket.CLOSED) return;
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
}
