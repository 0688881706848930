import { describe, expect, it } from 'vitest';
import { DEFAULT_IDS, firstFree, IDS_PER_POD, subordinateIds } from './id-ranges.js';

const taken = (...hostIds: number[]) =>
  hostIds.map((hostId) => ({ containerId: 0, hostId, size: IDS_PER_POD }));
const range = { first: 100_000, count: 3 * IDS_PER_POD };

describe('firstFree', () => {
  it.each([
    ['the first when none is taken', [], 100_000],
    ['the next one', taken(100_000), 165_536],
    ['one between', taken(100_000, 231_072), 165_536],
    ['past one of another configuration that overlaps', taken(99_999, 140_000), 231_072],
    ['nothing when all are taken', taken(100_000, 165_536, 231_072), undefined],
    ['the first where others lie elsewhere', taken(500_000), 100_000],
  ])('gives %s', (_what, others, expected) => expect(firstFree(range, others)).toBe(expected));

  it('gives no half range', () => {
    expect(firstFree({ first: 1, count: IDS_PER_POD - 1 }, [])).toBeUndefined();
  });

  it('stays within the ids of the kernel by default', () => {
    expect(DEFAULT_IDS.first + DEFAULT_IDS.count).toBeLessThan(2 ** 31);
  });
});

describe('subordinateIds', () => {
  const text = 'alice:100000:65536\n# no\npods:200000:1000\npods:300000:131072\npods:x:99999\nbob:1\n';
  it.each([
    ['alice', [{ first: 100_000, count: 65_536 }]],
    ['pods', [{ first: 300_000, count: 131_072 }]],
    ['bob', []],
    ['nobody', []],
  ])('of %s', (user, expected) => expect(subordinateIds(text, user)).toEqual(expected));
});
