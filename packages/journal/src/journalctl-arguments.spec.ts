import { PodwrightError } from '@podwright/core';
import { describe, expect, test } from 'vitest';
import type { JournalReadOptions } from './journal-reader.js';
import {
  isSameEntry,
  type JournalPass,
  journalctlArguments,
  validateReadOptions,
} from './journalctl-arguments.js';

const beginning: JournalPass = { start: { from: 'beginning' } };
const INVOCATION = '72498f9e9f464d0d9c5dcb4a493d8d67';

describe('arguments', () => {
  const cases: [string, JournalReadOptions, JournalPass, string[]][] = [
    ['everything', {}, beginning, []],
    [
      'conditions, alternatives and groups',
      { matches: [{ A: '1', B: ['2', '3 4'] }, { C: 'x=y\n+' }] },
      beginning,
      ['A=1', 'B=2', 'B=3 4', '+', 'C=x=y\n+'],
    ],
    ['an invocation alone', { invocation: INVOCATION }, beginning, [`_SYSTEMD_INVOCATION_ID=${INVOCATION}`]],
    [
      'an invocation in every group',
      { invocation: INVOCATION, matches: [{ A: '1' }, { B: '2' }] },
      beginning,
      ['A=1', `_SYSTEMD_INVOCATION_ID=${INVOCATION}`, '+', 'B=2', `_SYSTEMD_INVOCATION_ID=${INVOCATION}`],
    ],
    [
      'unit, namespace and directory',
      { unit: 'a@b.service', namespace: 'pods', directory: '/var/log/x' },
      beginning,
      ['--directory=/var/log/x', '--namespace=pods', '--unit=a@b.service'],
    ],
    [
      'times to the microsecond',
      { sinceUs: 1_795_310_007_000_042, untilUs: 5 },
      { start: { from: 'since', sinceUs: 1_795_310_007_000_042 } },
      ['--since=@1795310007.000042', '--until=@0.000005'],
    ],
    [
      'a cursor instead of a time',
      { sinceUs: 5, afterCursor: 's=1' },
      { start: { from: 'after', cursor: 's=1' } },
      ['--cursor=s=1'],
    ],
    [
      'only some fields',
      { fields: ['MESSAGE', 'PRIORITY'] },
      beginning,
      ['--output-fields=MESSAGE,PRIORITY,_BOOT_ID'],
    ],
    ['bytes to count', { fields: [], limitBytes: 5 }, beginning, ['--output-fields=MESSAGE,_BOOT_ID']],
    [
      'following never drops to the last ten, and its end is not journalctl’s',
      { untilUs: 5 },
      { ...beginning, follow: true },
      ['--follow', '--lines=all'],
    ],
    [
      'counting from the end',
      { fields: ['MESSAGE'], untilUs: 5 },
      { ...beginning, newest: 10 },
      ['--until=@0.000005', '--output-fields=_BOOT_ID', '--reverse', '--lines=10'],
    ],
  ];
  test.each(cases)('%s', (_name, options, pass, expected) => {
    validateReadOptions(options);
    expect(journalctlArguments(options, pass)).toEqual(['--output=export', '--no-pager', ...expected]);
  });
});

describe('what is refused', () => {
  test.each<[string, JournalReadOptions, string]>([
    ['a negative time', { sinceUs: -1 }, 'sinceUs = -1'],
    ['a fraction', { untilUs: 1.5 }, 'untilUs = 1.5'],
    ['a tail that is no count', { tail: Number.NaN }, 'tail'],
    ['a limit that is no count', { limitBytes: -5 }, 'limitBytes = -5'],
    ['an invocation that is none', { invocation: 'nginx' }, '32 hexadecimal digits'],
    ['an empty group, which would match everything', { matches: [{}] }, 'at least one field'],
    ['a field without values, which would match everything', { matches: [{ A: [] }] }, 'at least one value'],
    ['a field name that is an option', { matches: [{ '--follow': '' }] }, 'names of journal fields'],
    ['a NUL', { matches: [{ A: 'a\0b' }] }, 'NUL'],
    ['an output field with a comma', { fields: ['A,B'] }, 'names of journal fields'],
    ['finish without follow', { finish: AbortSignal.abort() }, '`follow`'],
    [
      'two invocations',
      { invocation: INVOCATION, matches: [{ _SYSTEMD_INVOCATION_ID: 'x' }] },
      'without `invocation`',
    ],
  ])('%s', (_name, options, message) => {
    const refused = () => validateReadOptions(options);
    expect(refused).toThrow(message);
    try {
      refused();
    } catch (error) {
      expect(PodwrightError.is(error, 'invalid-argument')).toBe(true);
    }
  });
});

test.each([
  ['itself', 's=a;i=1;b=c;m=1;t=2;x=3', 's=a;i=1;b=c;m=1;t=2;x=3', true],
  ['the same entry in another file', 's=a;i=1;b=c;m=1;t=2;x=3', 's=b;i=9;b=c;m=1;t=2;x=3', true],
  ['another time', 's=a;i=1;b=c;m=1;t=2;x=3', 's=a;i=1;b=c;m=2;t=2;x=3', false],
  ['another content', 's=a;i=1;b=c;m=1;t=2;x=3', 's=a;i=1;b=c;m=1;t=2;x=4', false],
  ['two that are no cursors', 'one', 'two', false],
])('a cursor and %s', (_name, left, right, same) => {
  expect(isSameEntry(left, right)).toBe(same);
});
