import { expect, it } from 'vitest';
import { withoutUndefined } from './without-undefined.js';

it('leaves out what is undefined, and nothing else', () => {
  const fields = { a: undefined, b: 0, c: '', d: null, e: false };
  expect(Object.keys(withoutUndefined(fields))).toEqual(['b', 'c', 'd', 'e']);
});
