import { describe, expect, it } from 'vitest';
import { CpuRates } from './cpu-rates.js';

describe('CpuRates', () => {
  it.each<[string, readonly (readonly [number, number])[], readonly (number | undefined)[]]>([
    ['one sample', [[5e9, 0]], [undefined]],
    [
      'one core in use',
      [
        [0, 1000],
        [1e9, 2000],
      ],
      [undefined, 1e9],
    ],
    [
      'a quarter of a core',
      [
        [7e9, 0],
        [7.5e9, 2000],
      ],
      [undefined, 250_000_000],
    ],
    [
      'nothing in use',
      [
        [7e9, 0],
        [7e9, 1000],
      ],
      [undefined, 0],
    ],
    [
      'samples too close together',
      [
        [0, 0],
        [1e9, 1000],
        [1.05e9, 1050],
        [2e9, 2000],
      ],
      [undefined, 1e9, 1e9, 1e9],
    ],
    [
      'the same moment twice',
      [
        [0, 0],
        [1e6, 0],
      ],
      [undefined, undefined],
    ],
    [
      'a counter that began anew',
      [
        [9e9, 0],
        [1e9, 1000],
        [2e9, 2000],
      ],
      [undefined, undefined, 1e9],
    ],
    [
      'a clock that was set back',
      [
        [0, 5000],
        [1e9, 4000],
        [3e9, 6000],
      ],
      [undefined, undefined, 3e9],
    ],
  ])('of %s', (_, samples, expected) => {
    const rates = new CpuRates();
    expect(samples.map(([usage, time]) => rates.nanoCores('a', usage, time))).toEqual(expected);
  });

  it('keeps things apart, and forgets what was asked for longest ago', () => {
    const rates = new CpuRates(2);
    for (const id of ['a', 'b', 'a', 'c']) rates.nanoCores(id, 0, 0);
    expect(rates.size).toBe(2);
    expect(rates.nanoCores('a', 1e9, 1000)).toBe(1e9);
    expect(rates.nanoCores('c', 5e8, 1000)).toBe(5e8);
    expect(rates.nanoCores('b', 1e9, 1000)).toBeUndefined();
  });
});
