import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TeardownRetries } from './teardown-retries.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('doubles the pause up to the longest, and begins anew when it was done', async () => {
  const retries = new TeardownRetries({ initial: 10, max: 35 });
  const at: number[] = [];
  const began = Date.now();
  const attempt = async () => {
    at.push(Date.now() - began);
    if (at.length < 4) retries.schedule('a', attempt);
    else retries.done('a');
  };
  expect(retries.schedule('a', attempt)).toBe(10);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(at).toEqual([10, 30, 65, 100]);
  expect(retries.schedule('a', attempt)).toBe(10);
});

it('has one pause for a key at a time, and does not let keys wait for each other', async () => {
  const retries = new TeardownRetries({ initial: 10, max: 10 });
  const attempts: string[] = [];
  const schedule = (key: string) => retries.schedule(key, async () => void attempts.push(key));
  expect([schedule('a'), schedule('a'), schedule('b')]).toEqual([10, undefined, 10]);
  await vi.advanceTimersByTimeAsync(10);
  expect(attempts).toEqual(['a', 'b']);
});

it.each([
  ['done', (retries: TeardownRetries) => retries.done('a')],
  ['closed', (retries: TeardownRetries) => retries.close()],
])('tries nothing when it is %s', async (_what, end) => {
  const retries = new TeardownRetries({ initial: 10, max: 10 });
  const attempt = vi.fn(async () => undefined);
  retries.schedule('a', attempt);
  end(retries);
  await vi.advanceTimersByTimeAsync(100);
  expect(attempt).not.toHaveBeenCalled();
});

it('begins nothing after it was closed', () => {
  const retries = new TeardownRetries({ initial: 10, max: 10 });
  retries.close();
  expect(retries.schedule('a', async () => undefined)).toBeUndefined();
});
