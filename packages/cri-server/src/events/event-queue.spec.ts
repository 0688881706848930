import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.js';

async function read(items: AsyncIterable<number>, count = Number.POSITIVE_INFINITY): Promise<number[]> {
  const found: number[] = [];
  if (count > 0) for await (const item of items) if (found.push(item) === count) break;
  return found;
}

describe('EventQueue', () => {
  it('gives in order what came before and during the read', async () => {
    const queue = new EventQueue<number>(10);
    queue.push(1);
    queue.push(2);
    const reading = read(queue.items(new AbortController().signal), 3);
    await Promise.resolve();
    queue.push(3);
    expect(await reading).toEqual([1, 2, 3]);
  });

  it.each([0, 2])('ends with its client, with %i items waiting', async (waiting) => {
    const queue = new EventQueue<number>(10);
    const client = new AbortController();
    for (let item = 0; item < waiting; item++) queue.push(item);
    const reading = read(queue.items(client.signal));
    await new Promise(setImmediate);
    client.abort();
    queue.push(99);
    expect(await reading).toEqual([0, 1].slice(0, waiting));
    expect(await read(new EventQueue<number>(1).items(client.signal))).toEqual([]);
  });

  it('takes as much as its limit; one more ends it with an error, and nothing is kept', async () => {
    const queue = new EventQueue<number>(2);
    for (const item of [1, 2]) queue.push(item);
    const items = queue.items(new AbortController().signal);
    expect(await items.next()).toEqual({ value: 1, done: false });
    for (const item of [3, 4, 5]) queue.push(item);
    await expect(items.next()).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await items.next()).toMatchObject({ done: true });
  });

  it('tells a failure to who waits', async () => {
    const queue = new EventQueue<number>(2);
    const reading = read(queue.items(new AbortController().signal));
    await new Promise(setImmediate);
    queue.fail(new Error('no more'));
    queue.fail(new Error('later'));
    await expect(reading).rejects.toThrow('no more');
  });
});
