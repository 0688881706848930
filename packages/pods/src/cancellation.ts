import { PodwrightError } from '@podwright/core';
import { Observable } from 'rxjs';

/** @throws PodwrightError kind `cancelled` when the signal has fired */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** For `takeUntil`: fails with kind `cancelled` when the signal fires, and is silent until then. */
export function abortErrors(signal: AbortSignal | undefined): Observable<never> {
  return new Observable((subscriber) => {
    if (!signal) return undefined;
    const onAbort = () => subscriber.error(abortError(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    return () => signal.removeEventListener('abort', onAbort);
  });
}

function abortError(signal: AbortSignal): PodwrightError {
  // A runtime that closes, or a kill of the same pod, gives its own error as the reason.
  if (PodwrightError.is(signal.reason)) return signal.reason;
  return new PodwrightError('cancelled', 'The call was cancelled by its caller.', { cause: signal.reason });
}
