import type { Duplex } from 'node:stream';
import { type Logger, messageOf } from '@podwright/core';
import { endAndFlush, hush } from '../stream-ends.js';
import type { PortForwardStreamRequest } from '../streaming-server.js';

/** The two streams of one forwarded connection. */
export interface ForwardPair {
  readonly data: Duplex;
  readonly error: Duplex;
}

/**
 * Forwards one connection; says on its error stream what went wrong, and ends both. Never fails.
 * @param signal fires when the client has dropped this connection, or has gone
 */
export async function forwardPort(
  request: PortForwardStreamRequest,
  port: number,
  { data, error }: ForwardPair,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  hush(data);
  hush(error);
  // Clients end their half of it at once.
  error.resume();
  let problem = '';
  try {
    await request.run(port, data, signal);
  } catch (failure) {
    if (!signal.aborted) problem = `error forwarding port ${port}: ${messageOf(failure)}`;
  }
  if (problem !== '') logger.warn('A forwarded connection has failed', { port, error: problem });
  data.unpipe();
  data.resume();
  // The error first: kubectl and our own client look for it when the data ends.
  await endAndFlush(error, problem);
  await endAndFlush(data);
}
