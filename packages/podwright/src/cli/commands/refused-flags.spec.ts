import { afterEach, beforeEach, expect, it } from 'vitest';
import { CliBed, IMAGE } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

it.each<[readonly string[], RegExp]>([
  [['exec', '-i', '--detach-keys', 'ctrl-a', 'web', 'sh'], /--detach-keys.*-i and -t/],
  [['exec', '-t', '--detach-keys', 'ctrl-a', 'web', 'sh'], /--detach-keys.*-i and -t/],
  [['debug', '--image', IMAGE, '-t', '--detach-keys', 'ctrl-a', 'web'], /--detach-keys.*-i and -t/],
  [['attach', '--no-stdin', '--detach-keys', 'ctrl-a', 'web'], /--detach-keys.*--no-stdin/],
  [['stats', '--interval', '5'], /--interval.*--watch/],
  [['rm', '--grace', '5', 'web'], /--grace.*-f/],
  [['logs', '-f', '--until', '5m', 'web'], /--until.*-f, --follow/],
  [['ps', '-q', '-o', 'json'], /-q, --quiet.*-o, --output/],
  [['images', '-q', '-o', 'json'], /-q, --quiet.*-o, --output/],
])('%j is refused: one of the flags would have no effect', async (words, message) => {
  const { exitCode, stdout, stderr } = await bed.run(...words);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
});
