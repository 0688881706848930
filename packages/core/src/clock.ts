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

/** The longest that a timer of Node takes; it fires at once when it is given more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

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
      let timer: NodeJS.Timeout;
      const wait = (restMs: number) => {
        timer = setTimeout(
          () => {
            if (restMs > LONGEST_TIMER_MS) {
              wait(restMs - LONGEST_TIMER_MS);
              return;
            }
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
          Math.min(restMs, LONGEST_TIMER_MS),
        );
      };
      wait(delayMs);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
