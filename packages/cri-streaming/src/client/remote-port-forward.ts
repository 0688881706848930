import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { type CallOptions, PodwrightError, throwIfAborted } from '@podwright/core';
import { Deferred } from '../deferred.js';
import { PORT_FORWARD_PROTOCOL, parsePort, StreamHeader } from '../protocols.js';
import type { SpdyConnection } from '../spdy/spdy-connection.js';
import type { SpdyStream } from '../spdy/spdy-stream.js';
import { hush } from '../stream-ends.js';
import { connectSpdy } from './upgrade.js';

/** How long the end of a connection that gave nothing waits for the server's words on it. */
const JUDGE_MS = 1_000;
/** How much of the server's words is kept. */
const MAX_PROBLEM_BYTES = 4096;

/** A client of one port-forward URL; it carries any number of connections at once. */
export interface RemotePortForward {
  /**
   * A connection to a port. The server takes it before it knows whether anybody listens there: what goes wrong later comes
   * as the stream's error, of kind `unreachable` with the server's words. End it to half-close; destroy it when done.
   * @throws PodwrightError kind `invalid-argument` (no port), `closed`, `unavailable`, `cancelled`
   */
  open(port: number, options?: CallOptions): Promise<Duplex>;
  /** Drops all of its connections. */
  close(): Promise<void>;
}

/**
 * Connects to the URL of a port-forward request, over SPDY/3.1.
 * @param url good once
 * @throws PodwrightError as `connectSpdy`
 */
export async function connectPortForward(url: string, options: CallOptions = {}): Promise<RemotePortForward> {
  const connection = await connectSpdy(url, PORT_FORWARD_PROTOCOL, options);
  let requests = 0;
  return {
    open: async (port, call = {}) => {
      const requestId = String(requests);
      requests += 1;
      return await openForward(connection, port, requestId, call);
    },
    close: async () => {
      connection.destroy();
      await connection.closed;
    },
  };
}

/**
 * One connection to one port by a URL of its own; as `RemotePortForward.open`. The signal holds for the opening only.
 * @throws PodwrightError as `connectSpdy` and `RemotePortForward.open`
 */
export async function remotePortForward(
  url: string,
  port: number,
  options: CallOptions = {},
): Promise<Duplex> {
  const connection = await connectSpdy(url, PORT_FORWARD_PROTOCOL, options);
  try {
    const stream = await openForward(connection, port, '0', options);
    stream.once('close', () => connection.hangUp());
    return stream;
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

async function openForward(
  connection: SpdyConnection,
  port: number,
  requestId: string,
  { signal }: CallOptions,
): Promise<Duplex> {
  throwIfAborted(signal);
  if (parsePort(String(port)) === undefined) {
    throw new PodwrightError('invalid-argument', `${port} is no port: it has to be from 1 to 65535.`);
  }
  const headers = { [StreamHeader.port]: String(port), [StreamHeader.requestId]: requestId };
  const options = signal === undefined ? {} : { signal };
  const error = await connection.openStream({ ...headers, [StreamHeader.type]: 'error' }, options);
  hush(error);
  error.end();
  let data: SpdyStream;
  try {
    data = await connection.openStream({ ...headers, [StreamHeader.type]: 'data' }, options);
  } catch (failure) {
    error.destroy();
    throw failure;
  }
  let problem = '';
  error.on('data', (chunk: Buffer) => {
    problem = (problem + chunk.toString('utf8')).slice(0, MAX_PROBLEM_BYTES);
  });
  const judged = new Deferred<void>();
  error.once('end', () => {
    if (problem !== '') {
      const message = `Port ${port} of the pod cannot be reached, or was lost: ${problem.trim()}`;
      data.destroy(new PodwrightError('unreachable', message, { details: { port } }));
    }
    judged.resolve();
  });
  error.once('close', () => judged.resolve());
  // containerd ends the data first, and says only then that nobody listens there.
  data.gateEmptyEnd(async () => {
    await Promise.race([judged.promise, setTimeout(JUDGE_MS, undefined, { ref: false })]);
  });
  data.once('close', () => error.destroy());
  return data;
}
