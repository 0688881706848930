import { expect, it } from 'vitest';
import { otherSize } from './tmpfs-size.js';

const MIB = 1024 * 1024;

it.each<[string, readonly string[], number | undefined, string | undefined]>([
  ['none, and none is wanted', ['rw', 'mode=777'], undefined, undefined],
  ['what is wanted', ['rw', 'size=1024k', 'mode=777'], MIB, undefined],
  ['what is wanted, in whole pages', ['rw', 'size=4k'], 1000, undefined],
  ['less than is wanted', ['rw', 'size=1024k'], 64 * MIB, 'size=67108864'],
  ['more than is wanted', ['rw', 'size=65536k'], MIB, 'size=1048576'],
  ['none, and one is wanted', ['rw'], MIB, 'size=1048576'],
  ['one, and none is wanted', ['rw', 'size=1024k'], undefined, 'size=50%'],
])('of a tmpfs that has %s', (_what, present, wanted, option) => {
  expect(otherSize(present, wanted)).toBe(option);
});
