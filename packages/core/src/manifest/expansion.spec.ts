import { describe, expect, it } from 'vitest';
import { expandEnv, expandVariables } from './expansion.js';

const VARIABLES = new Map([
  ['A', 'alpha'],
  ['B', 'b$(A)'],
  ['EMPTY', ''],
]);

describe('expandVariables', () => {
  // The table of k8s.io/kubernetes' expansion package, and what stands beside it in its documentation.
  it.each<[string, string]>([
    ['plain', 'plain'],
    ['$(A)', 'alpha'],
    ['x$(A)y$(A)', 'xalphayalpha'],
    ['$(B)', 'b$(A)'],
    ['$(EMPTY)', ''],
    ['$(NO)', '$(NO)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$alpha'],
    ['$$$$(A)', '$$(A)'],
    ['$$', '$'],
    ['$', '$'],
    ['$A', '$A'],
    ['$[A]', '$[A]'],
    ['$(A', '$(A'],
    ['$()', '$()'],
    ['$($(A))', '$($(A))'],
    ['100%', '100%'],
  ])('%s', (text, expected) => {
    expect(expandVariables(text, VARIABLES)).toBe(expected);
  });
});

describe('expandEnv', () => {
  it('looks back, never ahead, and lets the last of two win', () => {
    const env = [
      { name: 'EARLY', value: '$(LATE)' },
      { name: 'LATE', value: 'late' },
      { name: 'TWICE', value: 'first' },
      { name: 'SEES', value: '$(TWICE) $(LATE) $(GIVEN)' },
      { name: 'TWICE', value: '$(TWICE) again' },
    ];
    expect(expandEnv(env, new Map([['GIVEN', 'given']]))).toEqual([
      { name: 'EARLY', value: '$(LATE)' },
      { name: 'LATE', value: 'late' },
      { name: 'TWICE', value: 'first again' },
      { name: 'SEES', value: 'first late given' },
    ]);
  });

  it('gives back other values byte for byte', () => {
    const value = ' "quoted" \'%s\' \\ `x` \u00e4\u{1f600}\nline\ttab ';
    expect(expandEnv([{ name: 'A', value }])).toEqual([{ name: 'A', value }]);
  });
});
