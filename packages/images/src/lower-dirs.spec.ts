import { expect, it } from 'vitest';
import { lowerDirOption } from './lower-dirs.js';

it.each<[string, string[], string, string]>([
  ['layers of one store', ['/s/overlay/l/A', '/s/overlay/l/B'], '/s/overlay/l', 'A:B'],
  ['a layer without its link', ['/s/overlay/l/A', '/s/overlay/ffff/diff'], '/s/overlay', 'l/A:ffff/diff'],
  ['two stores', ['/s/overlay/l/A', '/t/overlay/l/B'], '/', '/s/overlay/l/A:/t/overlay/l/B'],
  ['one layer', ['/s/overlay/l/A'], '/s/overlay/l', 'A'],
  ['special characters', ['/s/a:b/l/A', '/s/c,d/l/B'], '/s', 'a\\:b/l/A:c\\,d/l/B'],
])('writes %s from the directory that they share', (_, paths, cwd, lowerdir) => {
  expect(lowerDirOption(paths)).toEqual({ cwd, lowerdir });
});

it('refuses what does not fit into a page', () => {
  const layers = (count: number) => Array.from({ length: count }, () => `/s/overlay/l/${'A'.repeat(26)}`);
  expect(lowerDirOption(layers(140)).lowerdir).toHaveLength(140 * 27 - 1);
  expect(() => lowerDirOption(layers(160))).toThrow('160 layers');
});
