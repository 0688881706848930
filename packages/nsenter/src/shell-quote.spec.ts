import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { shellQuote } from './shell-quote.js';

it.each([
  '',
  'plain',
  "it's",
  "'",
  "''",
  '$HOME `id` $(id)',
  'a\nb\t',
  '"',
  '\\',
  '*?[',
  '~',
  '-n',
  'ü\u0001',
])('a shell reads %j as one word, as it is', (text) => {
  const printed = execFileSync('sh', ['-c', `printf '<%s>' ${shellQuote(text)}`], { encoding: 'utf8' });
  expect(printed).toBe(`<${text}>`);
});
