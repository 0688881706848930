import { describe, expect, it } from 'vitest';
import { type AttemptLine, parseAttempts, toAttempts } from './attempt-log.js';

/** Fields of a line; the others as of a container that ended well after a second. */
function line(fields: Partial<Record<string, string>> = {}): string {
  const all = {
    ...{ number: '0', invocation: 'i1', started: '10.000000000', finished: '11.500000000', code: '0' },
    ...{
      result: 'success',
      exitCode: 'exited',
      exitStatus: '0',
      oom: '0',
      delay: '0',
      error: '-',
      message: '-',
    },
    ...fields,
  };
  return Object.values(all).join('\t');
}

const PLAIN: AttemptLine = {
  ...{ number: 0, invocation: 'i1', startedAtMs: 10_000, finishedAtMs: 11_500, exitCode: 0 },
  ...{ exitStatus: '0', oomKills: 0, delayMs: 0, startError: undefined, message: undefined },
};

describe('parseAttempts', () => {
  it.each<[string, string, AttemptLine[]]>([
    ['nothing', '', []],
    ['one line', `${line()}\n`, [PLAIN]],
    ['a line that was cut short', `${line()}\n${line().slice(0, 20)}`, [PLAIN]],
    ['a line of something else', `hello\n${line()}\n`, [PLAIN]],
    ['a line whose numbers are none', `${line({ started: 'soon' })}\n${line({ number: 'x' })}\n`, []],
    ['times to the millisecond', line({ started: '10.123499999' }), [{ ...PLAIN, startedAtMs: 10_123 }]],
    [
      'an absent exit code',
      line({ code: '-', exitStatus: 'KILL' }),
      [{ ...PLAIN, exitCode: undefined, exitStatus: 'KILL' }],
    ],
    [
      'numbers that do not begin with 0',
      [line({ number: '7' }), line({ number: '8', delay: '300', oom: '2' })].join('\n'),
      [
        { ...PLAIN, number: 7 },
        { ...PLAIN, number: 8, delayMs: 300, oomKills: 2 },
      ],
    ],
  ])('reads %s', (_what, text, expected) => {
    expect(parseAttempts(text)).toEqual(expected);
  });

  it.each([
    ['words of the script', 'no room ', 'no room'],
    ['words of conmon', '{"data": -1, "message": "no such program "}', 'no such program'],
    ['a brace that is no word of conmon', '{oops', '{oops'],
    [
      'words of conmon that were cut short',
      '{"data": -1, "message": "no su',
      '{"data": -1, "message": "no su',
    ],
  ])('takes %s as the reason of a failed start', (_what, error, expected) => {
    expect(parseAttempts(line({ error }))[0]?.startError).toBe(expected);
  });
});

describe('toAttempts', () => {
  const BASE = { attempt: 0, startedAtMs: 10_000, finishedAtMs: 11_500 };
  it.each<[string, Partial<AttemptLine>, object]>([
    ['exit 0', {}, { exitCode: 0, reason: 'Completed' }],
    ['exit 7', { exitCode: 7 }, { exitCode: 7, reason: 'Error' }],
    ['SIGTERM', { exitCode: 143 }, { exitCode: 143, signal: 15, reason: 'Error' }],
    ['the last signal', { exitCode: 192 }, { exitCode: 192, signal: 64, reason: 'Error' }],
    ['a code beyond signals', { exitCode: 255 }, { exitCode: 255, reason: 'Error' }],
    ['128, which is no signal', { exitCode: 128 }, { exitCode: 128, reason: 'Error' }],
    ['SIGKILL', { exitCode: 137 }, { exitCode: 137, signal: 9, reason: 'Error' }],
    ['too much memory', { exitCode: 137, oomKills: 1 }, { exitCode: 137, signal: 9, reason: 'OOMKilled' }],
    ['a child that took too much', { exitCode: 1, oomKills: 1 }, { exitCode: 1, reason: 'Error' }],
    [
      'conmon killed',
      { exitCode: undefined, exitStatus: 'BUS' },
      { exitCode: 135, signal: 7, reason: 'Error' },
    ],
    ['conmon ended', { exitCode: undefined, exitStatus: '3' }, { exitCode: 3, reason: 'Error' }],
    ['nothing known', { exitCode: undefined, exitStatus: '-' }, { exitCode: 255, reason: 'Error' }],
    [
      'a failed start',
      { exitCode: undefined, exitStatus: '1', startError: 'no such program' },
      { exitCode: 128, reason: 'ContainerCannotRun', message: 'no such program' },
    ],
    ['a later number', { number: 51 }, { attempt: 51, exitCode: 0, reason: 'Completed' }],
  ])('of %s', (_what, fields, expected) => {
    expect(toAttempts([{ ...PLAIN, ...fields }])).toEqual([{ ...BASE, ...expected }]);
  });
});
