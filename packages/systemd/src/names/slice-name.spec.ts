import { PodwrightError } from '@podwright/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSliceName, podSliceName, podUidOfSlice, sliceName, slicePath } from './slice-name.js';

describe('slices', () => {
  it.each([
    ['-.slice', 'a', 'a.slice'],
    ['a.slice', 'b', 'a-b.slice'],
    ['a-b.slice', 'c', 'a-b-c.slice'],
    ['a.slice', 'b-c', 'a-b\\x2dc.slice'],
    ['a.slice', 'b/c', 'a-b\\x2fc.slice'],
  ])('below %s, %s is %s', (parent, child, name) => {
    expect(sliceName(parent, child)).toBe(name);
  });

  it.each([
    ['no slice', 'a'],
    ['a.service', 'a'],
    ['a.slice', ''],
    ['a.slice', 'b'.repeat(255)],
  ])('below %j there is no %j', (parent, child) => {
    expect(() => sliceName(parent, child)).toThrow(PodwrightError);
  });

  it.each([
    ['-.slice', ''],
    ['a.slice', 'a.slice'],
    ['a-b-c.slice', 'a.slice/a-b.slice/a-b-c.slice'],
    ['a\\x2db-c.slice', 'a\\x2db.slice/a\\x2db-c.slice'],
  ])('%s lies at %j', (name, path) => {
    expect(slicePath(name)).toBe(path);
  });

  it.each(['-a.slice', 'a-.slice', 'a--b.slice', 'a@b.slice', 'a.service', '--.slice'])(
    '%s is none',
    (name) => {
      expect(isSliceName(name)).toBe(false);
      expect(() => slicePath(name)).toThrow(PodwrightError);
    },
  );
});

describe('the slice of a pod', () => {
  const uuid = '0f3f9c4e-1d2b-4c5a-8e7f-001122334455';
  const bare = uuid.replaceAll('-', '');

  it.each([
    [uuid, `podwright-pod${bare}.slice`],
    [bare, `podwright-pod\\x30${bare.slice(1)}.slice`],
    [uuid.toUpperCase(), `podwright-pod${uuid.toUpperCase().replaceAll('-', '\\x2d')}.slice`],
    ['a', 'podwright-poda.slice'],
    ['a/b', 'podwright-poda\\x2fb.slice'],
  ])('with the uid %s is %s', (uid, name) => {
    expect(podSliceName(uid)).toBe(name);
    expect(podUidOfSlice(name)).toBe(uid);
  });

  it('is one level below podwright.slice and tells the uid, for every uid', () => {
    const uids = fc.oneof(
      fc.uuid(),
      fc.uuid().map((uid) => uid.replaceAll('-', '')),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }).filter((uid) => !uid.includes('\0')),
    );
    fc.assert(
      fc.property(uids, (uid) => {
        const name = podSliceName(uid);
        expect(slicePath(name)).toBe(`podwright.slice/${name}`);
        expect(podUidOfSlice(name)).toBe(uid);
      }),
    );
  });

  it.each(['', 'a'.repeat(300)])('does not exist for a uid of a wrong length', (uid) => {
    expect(() => podSliceName(uid)).toThrow(PodwrightError);
  });

  it.each([
    'podwright.slice',
    'system.slice',
    'podwright-other.slice',
    'podwright-poda-b.slice',
    'podwright-pod\\xff.slice',
  ])('is not %s', (name) => {
    expect(podUidOfSlice(name)).toBeUndefined();
  });
});
