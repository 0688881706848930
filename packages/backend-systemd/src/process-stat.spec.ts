import { describe, expect, it } from 'vitest';
import { countStates, parseProcessStat, parseSoftLimits } from './process-stat.js';

const REST = '1 7 7 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 4 0 12345 4096 100';

describe('parseProcessStat', () => {
  it.each([
    ['a plain name', '(sleep)'],
    ['a name with blanks and parentheses', '(a) S 2 (b))'],
    ['a name with a line feed', '(a\nb)'],
  ])('%s', (_what, name) => {
    expect(parseProcessStat(`42 ${name} D 17 ${REST}`)).toMatchObject({ state: 'D', parentId: 17 });
  });

  it('has the number of threads', () => {
    expect(parseProcessStat(`42 (x) S 1 ${REST.slice(2)}`).threads).toBe(4);
  });
});

describe('countStates', () => {
  it.each([
    [[], [0, 0, 0, 0]],
    [
      ['S', 'S', 'R', 'D', 'T', 't'],
      [1, 2, 1, 2],
    ],
    // Ended, and threads of the kernel.
    [
      ['Z', 'X', 'I', 'S'],
      [0, 1, 0, 0],
    ],
  ])('%j', (states, [running, sleeping, uninterruptible, stopped]) => {
    expect(countStates(states)).toEqual({ running, sleeping, uninterruptible, stopped });
  });
});

describe('parseSoftLimits', () => {
  it('has what is limited, by its name', () => {
    const text = [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      'Max cpu time              unlimited            unlimited            seconds   ',
      'Max open files            1024                 524288               files     ',
      'Max nice priority         0                    0                    ',
      '',
    ].join('\n');
    expect(parseSoftLimits(text)).toEqual({ max_open_files: 1024, max_nice_priority: 0 });
  });

  it('has none of a process that has ended', () => {
    expect(parseSoftLimits('')).toEqual({});
  });
});
