import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  byteQuantityProblem,
  cpuQuantityProblem,
  quantityBytes,
  quantityMillis,
  quantityNanos,
} from './quantity.js';

describe('quantities', () => {
  it.each<[string, bigint]>([
    ['0', 0n],
    ['1', 1_000_000_000n],
    ['1.5', 1_500_000_000n],
    ['.5', 500_000_000n],
    ['1.', 1_000_000_000n],
    ['+2', 2_000_000_000n],
    ['-2', -2_000_000_000n],
    ['500m', 500_000_000n],
    ['3u', 3000n],
    ['7n', 7n],
    ['0.1n', 1n],
    ['1e3', 1000n * 10n ** 9n],
    ['1E3', 1000n * 10n ** 9n],
    ['1e+21', 10n ** 30n],
    ['15e-1', 1_500_000_000n],
    ['1k', 1000n * 10n ** 9n],
    ['1E', 10n ** 27n],
    ['1Ki', 1024n * 10n ** 9n],
    ['0.5Mi', 524288n * 10n ** 9n],
    ['1Ei', 1024n ** 6n * 10n ** 9n],
  ])('%s', (text, nanos) => {
    expect(quantityNanos(text)).toBe(nanos);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    'm',
    '.',
    '1KB',
    '1kI',
    '1ki',
    '1e',
    '1e3Ki',
    '0x10',
    '1,5',
    '--1',
    'NaN',
    '1e999999999',
  ])('%j is none', (text) => {
    expect(quantityNanos(text)).toBeUndefined();
  });

  it.each<[string, number]>([
    ['64Mi', 67108864],
    ['128974848000m', 128974848],
    ['1e3', 1000],
    ['1500m', 2],
  ])('%s in bytes is %d, rounded up', (text, bytes) => {
    expect(quantityBytes(text)).toBe(bytes);
  });

  it.each<[string, number]>([
    ['0.5', 500],
    ['2', 2000],
    ['100u', 1],
  ])('%s in thousandths is %d, rounded up', (text, millis) => {
    expect(quantityMillis(text)).toBe(millis);
  });

  it('of whole bytes come back as they are', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom<[string, number]>(['', 1], ['k', 1000], ['Mi', 1048576]),
        (n, [unit, factor]) => {
          expect(quantityBytes(`${n}${unit}`)).toBe(n * factor);
        },
      ),
    );
  });

  it.each<[string, string | undefined]>([
    ['512Mi', undefined],
    ['128974848000m', undefined],
    ['512m', 'is not a whole number of bytes: "m" means thousandths, did you mean 512Mi?'],
    ['-1', 'must not be negative'],
    ['9Pi', 'is more than 8 PiB'],
    ['x', 'has to be a quantity of bytes, such as 64Mi, 1Gi or 500M'],
  ])('%s as memory: %s', (text, problem) => {
    expect(byteQuantityProblem(text)).toBe(problem);
  });

  it('of CPU are refused when nobody can have them', () => {
    expect(cpuQuantityProblem('500m')).toBeUndefined();
    expect(cpuQuantityProblem('1G')).toBe('is more than a million cores');
    expect(cpuQuantityProblem('-1')).toBe('must not be negative');
  });
});
