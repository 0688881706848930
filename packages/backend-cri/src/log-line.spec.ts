import { describe, expect, it } from 'vitest';
import { LogTail, parseLogLine } from './log-line.js';

const parse = (text: string) => {
  const line = parseLogLine(Buffer.from(text, 'latin1'));
  return line && { ...line, line: line.line.toString('latin1') };
};

describe('parseLogLine', () => {
  it.each([
    [
      'a whole line',
      '2026-11-22T00:32:00.667431688+00:00 stdout F one two',
      'stdout',
      false,
      'one two',
      667_431,
    ],
    ['a part', '2026-11-22T00:32:00.1Z stderr P one', 'stderr', true, 'one', 100_000],
    ['a line of the zone of the host', '2026-11-22T02:32:00+02:00 stdout F x', 'stdout', false, 'x', 0],
    ['more tags than one', '2026-11-22T00:32:00Z stdout P:x y', 'stdout', true, 'y', 0],
    ['an empty line', '2026-11-22T00:32:00Z stdout F ', 'stdout', false, '', 0],
    ['an empty line without its last blank', '2026-11-22T00:32:00Z stdout F', 'stdout', false, '', 0],
    [
      'blanks around it, and what is no text',
      '2026-11-22T00:32:00Z stdout F  \0\xff ',
      'stdout',
      false,
      ' \0\xff ',
      0,
    ],
  ] as const)('reads %s', (_what, text, stream, partial, line, microseconds) => {
    const timestampUs = Date.UTC(2026, 10, 22, 0, 32) * 1000 + microseconds;
    expect(parse(text)).toEqual({ timestampUs, stream, partial, line });
  });

  it.each([
    '',
    'text',
    '2026-11-22T00:32:00Z stdin F x',
    'yesterday stdout F x',
    '2026-11-22T00:32:00Z stdout',
  ])('takes %j for no line', (text) => expect(parse(text)).toBeUndefined());
});

describe('LogTail', () => {
  const entries = (text: string) =>
    [...text.matchAll(/([oe])([FP])(\w)/g)].map(([, stream, tag, name]) => ({
      stream: stream === 'o' ? ('stdout' as const) : ('stderr' as const),
      partial: tag === 'P',
      name,
    }));
  it.each([
    ['oF1 oF2 oF3', 2, '23'],
    ['oF1 oF2', 5, '12'],
    ['oF1 oF2', 0, ''],
    ['oF1 oP2 oP3 oF4', 1, '234'],
    ['oF1 oF2 oP3', 1, '3'],
    ['oF1 oF2 oP3', 2, '23'],
    ['', 3, ''],
  ])('of %j the last %i lines', (text, lines, expected) => {
    const tail = new LogTail<ReturnType<typeof entries>[number]>(lines);
    for (const entry of entries(text)) tail.push(entry);
    expect(
      tail
        .entries()
        .map(({ name }) => name)
        .join(''),
    ).toBe(expected);
  });
});
