import type { ServiceIdentifier } from 'inversify';
import { PodwrightError } from './errors.js';

/** Time, so that tests can make it pass. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /**
   * Resolves after `delayMs` milliseconds.
   * @throws PodwrightError kind `cancelled` when the signal fires first
   */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export const Clock: ServiceIdentifier<Clock> = Symbol.for('podwright.core.Clock');

/** The machine's clock. */
export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancelled = () =>
        new PodwrightError('cancelled', 'The wait was cancelled by its caller.', { cause: signal?.reason });
      if (signal?.aborted) {
        reject(cancelled());
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(cancelled());
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, delayMs);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
