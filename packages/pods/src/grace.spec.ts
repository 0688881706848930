import type { PodRecord } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { podOf } from './fake-backend.spec-helper.js';
import { graceOf, restOfGrace } from './grace.js';

function recordOf(terminationGracePeriodSeconds: number): PodRecord {
  const manifest = podOf({ terminationGracePeriodSeconds });
  return { uid: 'u', namespace: 'default', name: 'p', manifest, state: 'running', createdAtMs: 0 };
}

describe('the grace of a pod', () => {
  it.each([
    ['that of the call', 5000, 30, { wholeMs: 5000, leastMs: 2000 }],
    ['that of a short call', 300, 30, { wholeMs: 300, leastMs: 300 }],
    ['none', 0, 30, { wholeMs: 0, leastMs: 0 }],
    ['that of the manifest', undefined, 30, { wholeMs: 30_000, leastMs: 2000 }],
    ['that of a short manifest', undefined, 1, { wholeMs: 1000, leastMs: 2000 }],
    ['none of the manifest', undefined, 0, { wholeMs: 0, leastMs: 0 }],
    ['what the backend knows', undefined, undefined, { wholeMs: Number.POSITIVE_INFINITY, leastMs: 2000 }],
  ])('is %s', (_what, givenMs, seconds, expected) => {
    expect(graceOf(givenMs, seconds === undefined ? undefined : recordOf(seconds))).toEqual(expected);
  });
});

describe('what is left of a grace', () => {
  const grace = { wholeMs: 10_000, leastMs: 2000 };
  it.each([
    ['what is not spent', grace, 3000, undefined, 7000],
    ['the least', grace, 9000, undefined, 2000],
    ['no least where there is none', { wholeMs: 500, leastMs: 0 }, 500, undefined, 0],
    ['the least, when it is hurried', grace, 3000, 5000, 2000],
    ['the grace of the call that hurries', grace, 3000, 300, 300],
    ['nothing, when it is hurried by a kill at once', grace, 3000, 0, 0],
    ['never more, when it is hurried', { wholeMs: 500, leastMs: 500 }, 0, 5000, 500],
  ])('is %s', (_what, whole, spentMs, hurriedByMs, expected) => {
    expect(restOfGrace(whole, spentMs, hurriedByMs)).toBe(expected);
  });
});
