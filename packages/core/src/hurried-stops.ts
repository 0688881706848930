import type { Clock } from './clock.js';

/**
 * Stops of one thing that are done one after the other, though none is slower for it: a call whose own grace is over while it
 * waits for its turn ends the grace of those before it. Whoever stops with a grace of 0 what another stops with an hour's kills
 * it at once.
 */
export class HurriedStops {
  private readonly calls = new Map<string, Set<AbortController>>();

  constructor(private readonly clock: Clock) {}

  /**
   * @param graceMs of this call, in milliseconds
   * @param inTurn does what it is given when the calls before are through, as `KeyedMutex.run`
   * @param stop its signal fires when a later call wants the end of the grace: that is to be cut short, and is no cancellation;
   *   see `hurriedBy`
   */
  async run<T>(
    key: string,
    graceMs: number,
    inTurn: (work: () => Promise<T>) => Promise<T>,
    stop: (hurry: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const own = new AbortController();
    const waiting = new AbortController();
    const all = this.calls.get(key) ?? new Set();
    const before = [...all];
    this.calls.set(key, all.add(own));
    if (before.length > 0) {
      const over = this.clock.sleep(graceMs, waiting.signal);
      void over.then(
        () => {
          for (const each of before) each.abort(graceMs);
        },
        () => undefined,
      );
    }
    try {
      return await inTurn(() => {
        waiting.abort();
        return stop(own.signal);
      });
    } finally {
      waiting.abort();
      all.delete(own);
      if (all.size === 0) this.calls.delete(key);
    }
  }
}

/** The grace in milliseconds of the call that has hurried a stop of `HurriedStops`; undefined while none has. */
export function hurriedBy(hurry: AbortSignal | undefined): number | undefined {
  return hurry?.aborted ? Number(hurry.reason) : undefined;
}

/** Resolves when a signal fires. */
export async function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
