import { PodwrightError } from './errors.js';

/** Does calls of the same key one after the other, in the order in which they came. */
export class KeyedMutex {
  private readonly tails = new Map<string, Promise<void>>();

  /**
   * Runs `action` when every earlier call of this key has ended.
   * @throws PodwrightError kind `cancelled` when the signal fires while it waits; the action is not run then
   */
  async run<T>(key: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.tails.get(key);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tail = (before ?? Promise.resolve()).then(() => held);
    this.tails.set(key, tail);
    // Also after a cancelled wait the calls behind it go on waiting for those before it.
    void tail.then(() => {
      if (this.tails.get(key) === tail) this.tails.delete(key);
    });
    try {
      throwIfAborted(signal);
      if (before) await orAborted(before, signal);
      return await action();
    } finally {
      release();
    }
  }
}

/** Waits for a promise that never rejects, or fails as soon as the signal fires. */
async function orAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const done = new AbortController();
  const aborted = new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true, signal: done.signal });
  });
  await Promise.race([promise, aborted]);
  done.abort();
  throwIfAborted(signal);
}

/** @throws PodwrightError kind `cancelled` when the signal has fired */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  // A runtime that closes, or a kill of the same pod, gives its own error as the reason.
  if (PodwrightError.is(signal.reason)) throw signal.reason;
  throw new PodwrightError('cancelled', 'The call was cancelled by its caller.', { cause: signal.reason });
}
