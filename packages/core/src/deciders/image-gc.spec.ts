import { describe, expect, it } from 'vitest';
import {
  checkImageGcPolicy,
  computeImageGc,
  type GcImage,
  type ImageGcPolicy,
  type ImageGcState,
} from './image-gc.js';

const policy: ImageGcPolicy = { highPercent: 85, lowPercent: 80, minAgeMs: 100 };
const image = (id: string, more: Partial<GcImage> = {}): GcImage => ({
  id,
  sizeBytes: 10,
  dangling: false,
  pinned: false,
  ...more,
});
const state = (more: Partial<ImageGcState> = {}): ImageGcState => ({
  nowMs: 1000,
  images: [],
  firstDetected: new Map(),
  lastUsed: new Map(),
  inUse: new Set(),
  fsUsage: { capacityBytes: 1000, availableBytes: 100 },
  ...more,
});

describe('checkImageGcPolicy', () => {
  it.each<[string, Partial<ImageGcPolicy>, RegExp]>([
    ['a high threshold above 100', { highPercent: 101 }, /highPercent is 101/],
    ['a low threshold above the high one', { lowPercent: 86 }, /lowPercent is 86.*85/],
    ['a negative one', { lowPercent: -1 }, /lowPercent/],
    ['what is no number', { highPercent: Number.NaN }, /highPercent/],
    ['a negative age', { minAgeMs: -1 }, /minAgeMs/],
  ])('refuses %s', (_, more, message) => {
    expect(() => checkImageGcPolicy({ ...policy, ...more })).toThrow(message);
  });
  it('takes equal thresholds', () => {
    checkImageGcPolicy({ highPercent: 0, lowPercent: 0, minAgeMs: 0 });
  });
});

describe('computeImageGc', () => {
  it.each<[string, Partial<ImageGcPolicy>, ImageGcState['fsUsage'], number, number]>([
    ['just below the high threshold nothing', {}, { capacityBytes: 1000, availableBytes: 160 }, 84, 0],
    ['far below it nothing', {}, { capacityBytes: 1000, availableBytes: 500 }, 50, 0],
    ['at the threshold down to the low one', {}, { capacityBytes: 1000, availableBytes: 150 }, 85, 50],
    ['when full all that is wanted', {}, { capacityBytes: 1000, availableBytes: 0 }, 100, 200],
    [
      'with 100 percent never anything',
      { highPercent: 100 },
      { capacityBytes: 1000, availableBytes: 0 },
      100,
      0,
    ],
    ['of more available than there is nothing', {}, { capacityBytes: 10, availableBytes: 1000 }, 0, 0],
    ['of no capacity nothing', {}, { capacityBytes: 0, availableBytes: 0 }, 0, 0],
    [
      'with equal thresholds to the same one',
      { lowPercent: 85 },
      { capacityBytes: 1000, availableBytes: 100 },
      90,
      50,
    ],
    [
      'with 0 and 0 everything',
      { highPercent: 0, lowPercent: 0 },
      { capacityBytes: 1000, availableBytes: 900 },
      10,
      100,
    ],
  ])('frees %s', (_, more, fsUsage, usagePercent, bytesToFree) => {
    expect(computeImageGc({ ...policy, ...more }, state({ fsUsage }))).toMatchObject({
      usagePercent,
      bytesToFree,
    });
  });

  it.each<[string, Partial<ImageGcState>, string[]]>([
    [
      'the least recently used first',
      {
        images: [image('a'), image('b'), image('c')],
        lastUsed: new Map([
          ['a', 30],
          ['b', 10],
          ['c', 20],
        ]),
      },
      ['b', 'c', 'a'],
    ],
    [
      'what was never used before that',
      { images: [image('a'), image('b')], lastUsed: new Map([['a', 30]]) },
      ['b', 'a'],
    ],
    [
      'the first detected of those used alike',
      {
        images: [image('a'), image('b')],
        firstDetected: new Map([
          ['a', 20],
          ['b', 10],
        ]),
      },
      ['b', 'a'],
    ],
    [
      'images without a name first',
      { images: [image('a'), image('b', { dangling: true })], lastUsed: new Map([['b', 500]]) },
      ['b', 'a'],
    ],
    ['none that a container has', { images: [image('a'), image('b')], inUse: new Set(['a']) }, ['b']],
    ['no pinned one', { images: [image('a', { pinned: true, dangling: true }), image('b')] }, ['b']],
    [
      'none that is too young',
      {
        images: [image('a'), image('b'), image('c')],
        firstDetected: new Map([
          ['a', 901],
          ['b', 900],
        ]),
      },
      ['b'],
    ],
  ])('takes %s', (_, more, candidates) => {
    const firstDetected = new Map((more.images ?? []).map(({ id }) => [id, 0]));
    if (_ === 'none that is too young') firstDetected.delete('c');
    for (const [id, atMs] of more.firstDetected ?? []) firstDetected.set(id, atMs);
    expect(computeImageGc(policy, state({ ...more, firstDetected })).candidates).toEqual(candidates);
  });

  it('names no candidate when nothing has to be freed', () => {
    const fsUsage = { capacityBytes: 1000, availableBytes: 900 };
    const images = [image('a')];
    expect(
      computeImageGc(policy, state({ images, firstDetected: new Map([['a', 0]]), fsUsage })).candidates,
    ).toEqual([]);
  });
});
