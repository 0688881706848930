import { throwIfAborted } from '@podwright/core';

/** Waits for a promise no longer than until the signal fires. @throws PodwrightError kind `cancelled` */
export async function orCancelled<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  throwIfAborted(signal);
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
    signal?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
    throwIfAborted(signal);
    return await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
