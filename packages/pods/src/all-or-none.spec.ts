import { afterEach, describe, expect, it } from 'vitest';
import { allOrNone } from './all-or-none.js';

describe('allOrNone', () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);

  afterEach(() => {
    process.off('warning', onWarning);
    warnings.length = 0;
  });

  it('gives what all of them give, in their order', async () => {
    const { signal } = new AbortController();
    expect(await allOrNone([3, 1, 2], signal, async (item) => item * 2)).toEqual([6, 2, 4]);
  });

  it('tells the others that one failed, and throws the first failure when all are over', async () => {
    let isOver = false;
    const all = allOrNone(['fails', 'waits'], new AbortController().signal, async (item, signal) => {
      if (item === 'fails') throw new Error('first');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      isOver = true;
      throw new Error('second');
    });
    await expect(all).rejects.toThrow('first');
    expect(isOver).toBe(true);
  });

  it('warns of no leak when fifty wait for the same signal', async () => {
    process.on('warning', onWarning);
    const items = Array.from({ length: 50 }, (_, index) => index);
    await allOrNone(items, new AbortController().signal, async (_item, signal) => {
      signal.addEventListener('abort', () => undefined);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toEqual([]);
  });
});
