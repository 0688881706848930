import { expect, it } from 'vitest';
import { decideOrphans } from './orphan-marks.js';

const NOW = 1_000_000;

it.each([
  ['seen for the first time', ['a'], {}, 60, { sweep: [], spare: ['a'], marks: { a: NOW } }],
  ['seen for the first time, without a grace', ['a'], {}, 0, { sweep: ['a'], spare: [], marks: { a: NOW } }],
  [
    'seen just too short ago',
    ['a'],
    { a: NOW - 59 },
    60,
    { sweep: [], spare: ['a'], marks: { a: NOW - 59 } },
  ],
  [
    'seen for the whole grace',
    ['a'],
    { a: NOW - 60 },
    60,
    { sweep: ['a'], spare: [], marks: { a: NOW - 60 } },
  ],
  ['gone since, which loses its mark', ['b'], { a: 1 }, 60, { sweep: [], spare: ['b'], marks: { b: NOW } }],
  [
    'marked before the clock was set back',
    ['a'],
    { a: NOW + 5 },
    60,
    { sweep: [], spare: ['a'], marks: { a: NOW } },
  ],
  [
    'several, in the order found',
    ['b', 'a', 'c'],
    { a: 1, b: 2 },
    60,
    { sweep: ['b', 'a'], spare: ['c'], marks: { b: 2, a: 1, c: NOW } },
  ],
  ['nothing', [], { a: 1 }, 60, { sweep: [], spare: [], marks: {} }],
] as const)('%s', (_name, found, marks, graceMs, expected) => {
  const decision = decideOrphans(found, new Map(Object.entries(marks)), { nowMs: NOW, graceMs });
  expect({ ...decision, marks: Object.fromEntries(decision.marks) }).toEqual(expected);
});
