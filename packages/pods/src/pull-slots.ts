import { PodwrightError } from '@podwright/core';

/** Lets so many pulls run at once; the others wait in order of asking. */
export class PullSlots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @throws PodwrightError kind `invalid-argument` for a number below 1 or a fraction */
  constructor(slots: number) {
    if (!(slots >= 1 && (Number.isInteger(slots) || slots === Number.POSITIVE_INFINITY))) {
      throw new PodwrightError(
        'invalid-argument',
        `maxParallelPulls is ${slots}; it has to be a whole number of pulls from 1 on, or Infinity.`,
      );
    }
    this.#free = slots;
  }

  /** @throws PodwrightError kind `cancelled` when the signal fires while it waits; else as `work` */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  #take(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const index = this.#waiting.indexOf(grant);
        if (index >= 0) this.#waiting.splice(index, 1);
        const message = 'Waiting for another pull to end was cancelled by its caller.';
        reject(new PodwrightError('cancelled', message, { cause: signal?.reason }));
      };
      const grant = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      if (signal?.aborted) onAbort();
      else if (this.#free > 0) {
        this.#free--;
        grant();
      } else {
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#waiting.push(grant);
      }
    });
  }
}
