import { create, toBinary } from '@bufbuild/protobuf';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { inBatches } from './in-batches.js';

const { ListContainersResponseSchema } = cri;

describe('inBatches', () => {
  it.each([
    ['nothing', [], []],
    ['few', ['a', 'b'], [['a', 'b']]],
    ['as many as go into one', ['a', 'b', 'c'], [['a', 'b', 'c']]],
    ['more', ['a', 'b', 'c', 'd'], [['a', 'b', 'c'], ['d']]],
    [
      'large ones, which come alone',
      ['a', 'x'.repeat(90), 'y'.repeat(900), 'b'],
      [['a'], ['x'.repeat(90)], ['y'.repeat(900)], ['b']],
    ],
  ])('%s', (_name, items, expected) => {
    expect([...inBatches(items, { maxItems: 3, maxBytes: 101 })]).toEqual(expected);
  });

  it('has no message that is too large for a client, whatever the annotations', () => {
    const annotations = { large: 'ä'.repeat(100_000) };
    const containers = Array.from({ length: 250 }, (_, index) => ({
      ...{ id: `${index}`, annotations, createdAt: 1n, metadata: { name: 'a', attempt: index } },
    }));
    const batches = [...inBatches(containers)];
    expect(batches.flat()).toEqual(containers);
    for (const batch of batches) {
      const message = create(ListContainersResponseSchema, { containers: batch });
      expect(toBinary(ListContainersResponseSchema, message).length).toBeLessThan(4 * 1024 * 1024);
    }
  });
});
