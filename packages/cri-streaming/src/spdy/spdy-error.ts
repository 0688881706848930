import { PodwrightError } from '@podwright/core';

/** The peer broke the protocol; the connection cannot go on. */
export function protocolError(problem: string, cause?: unknown): PodwrightError {
  return new PodwrightError(
    'unavailable',
    `The other end broke the SPDY protocol: ${problem}. The connection was dropped; check what it is and its version.`,
    { cause },
  );
}

/** The connection under a stream is gone. */
export function connectionLost(cause?: unknown): PodwrightError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new PodwrightError('unavailable', `The connection of the streams was lost${why}.`, { cause });
}

const RESET_NAMES: Readonly<Record<number, string>> = {
  1: 'protocol error',
  2: 'invalid stream',
  3: 'refused',
  4: 'unsupported version',
  5: 'cancelled',
  6: 'internal error',
  7: 'flow control error',
  8: 'stream in use',
  9: 'stream already closed',
  11: 'frame too large',
};

/** The peer has given up one stream. */
export function streamReset(status: number): PodwrightError {
  const name = RESET_NAMES[status] ?? `status ${status}`;
  return new PodwrightError('unavailable', `The other end has reset the stream: ${name}.`, {
    details: { status },
  });
}
