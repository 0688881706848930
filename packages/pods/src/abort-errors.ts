import { throwIfAborted } from '@podwright/core';
import { fromEvent, ignoreElements, NEVER, type Observable, startWith, tap } from 'rxjs';

/** For `takeUntil`: fails with kind `cancelled` when the signal fires, and is silent until then. */
export function abortErrors(signal: AbortSignal | undefined): Observable<never> {
  if (!signal) return NEVER;
  return fromEvent(signal, 'abort').pipe(
    startWith(undefined),
    tap(() => throwIfAborted(signal)),
    ignoreElements(),
  );
}
