import { describe, expect, it } from 'vitest';
import { formatPrintf } from './printf.js';

describe('formatPrintf', () => {
  it.each<[string, readonly string[], string]>([
    ['plain', [], 'plain'],
    ['%s', ['a'], 'a'],
    ['%s\\n', ['one', 'two'], 'one\ntwo\n'],
    ['%s-%s|', ['a', 'b', 'c'], 'a-b|c-|'],
    ['%d %5d %-5d|%05d', ['1', '2', '3', '4'], '1     2 3    |00004'],
    ['%x %X %o', ['255', '255', '8'], 'ff FF 10'],
    ['%%', [], '%'],
    ['a\\tb\\\\n', [], 'a\tb\\n'],
    ['%b', ['x\\ny'], 'x\ny'],
    ['%s', ['x\\ny'], 'x\\ny'],
    ['%c%c', ['abc', 'd'], 'ad'],
    ['%.2s', ['abc'], 'ab'],
    ['\\101\\60', [], 'A0'],
  ])('%j with %j', (format, args, text) => {
    expect(formatPrintf(format, args).toString('latin1')).toBe(text);
  });

  it('writes any byte', () => {
    expect([...formatPrintf('a\\0b\\377\\376', [])]).toEqual([97, 0, 98, 255, 254]);
  });
});
