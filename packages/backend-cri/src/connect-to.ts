import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, PodwrightError, throwIfAborted } from '@podwright/core';

/** A connection from the host, as the kubelet's probes make it. @throws PodwrightError kind `unreachable`, `cancelled` */
export async function connectTo(
  host: string,
  port: number,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  throwIfAborted(signal);
  const socket = connect({ host, port, allowHalfOpen: true });
  const onAbort = () => socket.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the connection was closed')));
    });
    return socket;
  } catch (cause) {
    throwIfAborted(signal);
    throw new PodwrightError('unreachable', `Nobody can be reached at ${host}:${port}: ${messageOf(cause)}`, {
      cause,
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
