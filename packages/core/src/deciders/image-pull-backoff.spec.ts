import { expect, it } from 'vitest';
import { type PullFailures, pullBackoffMs, withPullFailure } from './image-pull-backoff.js';

it('waits 10 s after the first failure and doubles up to 5 min', () => {
  let state: PullFailures | undefined;
  let nowMs = 0;
  const waits: number[] = [];
  for (let pull = 0; pull < 8; pull++) {
    state = withPullFailure(state, nowMs);
    const wait = pullBackoffMs(state, nowMs);
    waits.push(wait);
    nowMs += wait;
    expect(pullBackoffMs(state, nowMs)).toBe(0);
    expect(pullBackoffMs(state, nowMs - 1)).toBe(1);
  }
  expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
});

it('pulls at once what has not failed, and what nobody asked for in ten minutes', () => {
  expect(pullBackoffMs(undefined, 0)).toBe(0);
  const failed = { failures: 7, lastFailureMs: 0 };
  expect(pullBackoffMs(failed, 299_999)).toBe(1);
  expect(withPullFailure(failed, 600_000).failures).toBe(8);
  expect(withPullFailure(failed, 600_001)).toEqual({ failures: 1, lastFailureMs: 600_001 });
});
