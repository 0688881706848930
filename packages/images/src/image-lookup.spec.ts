import { describe, expect, it } from 'vitest';
import { findImage, namesAfterRemoval, recordedName } from './image-lookup.js';
import type { ImageRecord } from './store-records.js';

const ID_A = `aaaaaaaaaaaa1${'0'.repeat(51)}`;
const ID_B = `aaaaaaaaaaaa2${'0'.repeat(51)}`;
const DIGEST_A = `sha256:${'a'.repeat(64)}`;
const LIST_A = `sha256:${'1'.repeat(64)}`;
const DIGEST_B = `sha256:${'b'.repeat(64)}`;
const IMAGES: readonly ImageRecord[] = [
  {
    id: ID_A,
    digest: DIGEST_A,
    names: ['docker.io/library/busybox:1', 'localhost:5000/x:latest', 'none of ours'],
    'big-data-names': ['manifest', `manifest-${LIST_A}`, `sha256:${ID_A}`],
    'big-data-digests': {
      manifest: DIGEST_A,
      [`manifest-${LIST_A}`]: LIST_A,
      [`sha256:${ID_A}`]: `sha256:${ID_A}`,
    },
  },
  {
    id: ID_B,
    digest: DIGEST_B,
    names: [`docker.io/library/busybox@${DIGEST_B}`, 'docker.io/library/aaaaaaaaaaaa:latest'],
  },
];

describe('findImage', () => {
  it.each([
    ['busybox:1', ID_A],
    ['docker.io/library/busybox:1', ID_A],
    ['index.docker.io/library/busybox:1', ID_A],
    ['localhost:5000/x', ID_A],
    ['busybox', undefined],
    ['busybox:2', undefined],
    [`busybox@${DIGEST_A}`, ID_A],
    [`busybox:whatever@${DIGEST_A}`, ID_A],
    [`busybox@${LIST_A}`, ID_A],
    [`localhost:5000/x@${LIST_A}`, ID_A],
    [`other@${DIGEST_A}`, undefined],
    [`busybox@${DIGEST_B}`, ID_B],
    [ID_A, ID_A],
    [`sha256:${ID_B}`, ID_B],
    [DIGEST_A, ID_A],
    [LIST_A, ID_A],
    [`sha256:${'9'.repeat(64)}`, undefined],
    [ID_A.slice(0, 13), ID_A],
    [`sha256:${ID_B.slice(0, 20)}`, ID_B],
    [ID_A.slice(0, 11), undefined],
    // A name that looks like the beginning of an id is a name first, as with docker.
    ['aaaaaaaaaaaa', ID_B],
  ])('%s → %s', (reference, id) => {
    expect(findImage(IMAGES, reference)?.id).toBe(id);
  });

  it('wants more digits of an ambiguous id', () => {
    expect(() => findImage(IMAGES, 'sha256:aaaaaaaaaaaa')).toThrow(/beginning of 2 image ids/);
  });

  it('refuses what is no reference', () => {
    expect(() => findImage(IMAGES, 'Not A Name')).toThrow(/no image reference/);
  });
});

describe('recordedName', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['h:5000/a/b:t', 'h:5000/a/b:t'],
    [`busybox@${DIGEST_A}`, `docker.io/library/busybox@${DIGEST_A}`],
    [`busybox:1@${DIGEST_A}`, `docker.io/library/busybox@${DIGEST_A}`],
  ])('%s → %s', (reference, name) => {
    expect(recordedName(reference)).toBe(name);
  });
});

describe('namesAfterRemoval', () => {
  const busybox = 'docker.io/library/busybox';
  it.each([
    ['the only name', [`${busybox}:1`], 'busybox:1', []],
    ['one of two names', [`${busybox}:1`, `${busybox}:2`], 'busybox:1', [`${busybox}:2`]],
    ['an id', [`${busybox}:1`, `${busybox}:2`], `sha256:${ID_A}`, []],
    ['an id without its algorithm', [`${busybox}:1`], ID_A, []],
    ['the beginning of an id', [`${busybox}:1`, `${busybox}:2`], ID_A.slice(0, 13), []],
    [
      'a digest that is a name',
      [`${busybox}:1`, `${busybox}@${DIGEST_A}`],
      `busybox@${DIGEST_A}`,
      [`${busybox}:1`],
    ],
    ['a digest that follows from a tag', [`${busybox}:1`, 'h:1/x:1'], `busybox@${DIGEST_A}`, ['h:1/x:1']],
    ['an image without a name', [], `sha256:${ID_A}`, []],
  ])('%s', (_, names, reference, left) => {
    expect(namesAfterRemoval(names, reference)).toEqual(left);
  });
});
