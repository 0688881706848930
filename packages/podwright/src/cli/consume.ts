import { type Observable, Subscription } from 'rxjs';

/**
 * Takes each value in turn until the observable completes. Values wait while one is handled.
 * @throws what the observable or the handler fails with; the signal's reason when it fires
 */
export function consume<T>(
  source: Observable<T>,
  signal: AbortSignal,
  handle: (value: T) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = Promise.resolve();
    // An observable may end while it is being subscribed to.
    const subscription = new Subscription();
    const end = (settle: () => void) => {
      subscription.unsubscribe();
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => end(() => reject(signal.reason));
    subscription.add(
      source.subscribe({
        next: (value) => {
          last = last.then(() => handle(value));
          last.catch((error: unknown) => end(() => reject(error)));
        },
        error: (error: unknown) => end(() => reject(error)),
        complete: () => void last.then(() => end(resolve), reject),
      }),
    );
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
