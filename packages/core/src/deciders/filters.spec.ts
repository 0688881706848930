import { describe, expect, it } from 'vitest';
import { isWanted } from './filters.js';

const one = { id: 'c1', sandboxId: 's1', podUid: 'u1', labels: { app: 'web', tier: '' } };

describe('isWanted', () => {
  it.each([
    ['nothing', {}, true],
    ['its id', { id: 'c1' }, true],
    ['another id', { id: 'c' }, false],
    ['its sandbox', { sandboxId: 's1' }, true],
    ['another sandbox', { sandboxId: 's2' }, false],
    ['its pod', { podUid: 'u1' }, true],
    ['another pod', { podUid: 'u2' }, false],
    ['some of its labels', { labels: { app: 'web' } }, true],
    ['a label of no text', { labels: { tier: '' } }, true],
    ['another value of a label', { labels: { app: 'web', tier: 'front' } }, false],
    ['a label that it lacks', { labels: { zone: '' } }, false],
    ['a label by the name of what every object has', { labels: { constructor: 'Object' } }, false],
    ['all of it', { ...one }, true],
    ['all of it but for one', { ...one, podUid: 'u2' }, false],
  ])('with a filter of %s', (_what, filter, expected) => {
    expect(isWanted(one, filter)).toBe(expected);
  });
});
