import { describe, expect, it } from 'vitest';
import { SystemClock } from './clock.js';
import { HurriedStops, hurriedBy } from './hurried-stops.js';
import { KeyedMutex } from './keyed-mutex.js';

function bed() {
  const stops = new HurriedStops(new SystemClock());
  const mutex = new KeyedMutex();
  const ended: string[] = [];
  /** Ends when its own grace is over, or that of a later call. */
  const stop = (name: string, graceMs: number, key = 'a') =>
    stops.run(
      key,
      graceMs,
      (work) => mutex.run(key, work),
      async (hurry) => {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, graceMs);
          hurry.addEventListener('abort', () => {
            clearTimeout(timer);
            resolve();
          });
          if (hurry.aborted) resolve();
        });
        const byMs = hurriedBy(hurry);
        ended.push(`${name}${byMs === undefined ? '' : ` hurried by ${byMs}`}`);
      },
    );
  return { stop, ended };
}

describe('stops of one thing', () => {
  it('end with the shortest grace, in their order', async () => {
    const { stop, ended } = bed();
    await Promise.all([stop('first', 1_000_000), stop('second', 500_000), stop('third', 0)]);
    expect(ended).toEqual(['first hurried by 0', 'second hurried by 0', 'third']);
  });

  it('are not hurried by one with a longer grace, nor by one of another', async () => {
    const { stop, ended } = bed();
    await Promise.all([stop('first', 30), stop('other', 0, 'b'), stop('second', 1000 / 30)]);
    expect(ended).toEqual(['other', 'first', 'second']);
  });
});
