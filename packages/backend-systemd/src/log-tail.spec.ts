import { describe, expect, it } from 'vitest';
import { type LogPart, lastLinesStart } from './log-tail.js';

/** `o` and `e`: a whole line of stdout, of stderr; `O` and `E`: a part that goes on. */
function parts(text: string): LogPart[] {
  return [...text].map((letter) => ({
    stream: letter.toLowerCase() === 'o' ? 'stdout' : 'stderr',
    partial: letter === letter.toUpperCase(),
  }));
}

describe('lastLinesStart', () => {
  it.each([
    ['no line', '', 3, 0],
    ['fewer lines', 'oo', 3, 0],
    ['as many lines', 'ooo', 3, 0],
    ['more lines', 'ooooo', 3, 2],
    ['lines of both streams', 'oeoeo', 2, 3],
    ['a long line at the end', 'oOOOo', 1, 1],
    ['a long line before the end', 'oOOOoo', 2, 1],
    ['a long line that is not wanted', 'OOOoo', 1, 4],
    ['a line whose end has not come', 'oOO', 1, 1],
    ['such lines of both streams', 'oOE', 2, 1],
    ['only parts of one line', 'OOOO', 1, 0],
    ['a line of the other stream in the middle, both wanted', 'oOeo', 2, 1],
  ])('of %s: %j, the last %i', (_what, text, lines, expected) => {
    expect(lastLinesStart(parts(text), lines)).toBe(expected);
  });
});
