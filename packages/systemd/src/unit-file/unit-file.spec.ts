import { PodwrightError } from '@podwright/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExecCommand } from '../manager/unit-property.js';
import { unitProperty } from '../manager/unit-property.js';
import { formatUnitFile, parseUnitFile, type UnitFileSection, unitFileValues } from './unit-file.js';
import { unitFileOf } from './unit-file-of-properties.js';
import { formatExecCommand, joinWords, parseExecCommand, splitWords } from './unit-words.js';

/** What is special somewhere on the way: to the syntax, to quotes, to specifiers, to variables, to Exec prefixes. */
const HOSTILE = [
  ...['\\', '"', "'", '%', '%%', '%n', '$', '$$', `\${HOME}`, '$HOME', ';', '#', '=', '[Service]', ' ', '\t'],
  ...[
    '\n',
    '\r',
    '\v',
    '\x07',
    '\x1b',
    '\x7f',
    '\u0085',
    '\u00a0',
    '\u2028',
    'ü',
    '💣',
    '\\x41',
    '\\\n',
    '-',
  ],
  ...['@', ':', '+', '!', '!!', '\nExecStart=/bin/evil', '\\', '\\\\', "\\'", '\\s', '{', '}', '~', '*', '/'],
];
const part = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 6 }));
/** What no word can hold is left out. */
const word = fc
  .array(part, { maxLength: 8 })
  .map((parts) => parts.join('').replace(/\0|\p{Noncharacter_Code_Point}/gu, ''));
/** Any text, of which some are none that a line can hold. */
const value = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
const key = fc.constantFrom('ExecStart', 'Description', 'X-Podwright', 'After');
const sections = fc.array(
  fc.record({
    name: fc.constantFrom('Unit', 'Service', 'Install', 'X-Podwright'),
    entries: fc.array(fc.record({ key, value }), { maxLength: 4 }),
  }),
  { maxLength: 4 },
);
const command: fc.Arbitrary<ExecCommand> = fc.record({
  path: word.map((text) => `/${text}`),
  argv: fc.array(word, { minLength: 1, maxLength: 6 }),
  flags: fc
    .uniqueArray(fc.constantFrom('ignore-failure', 'no-env-expand'), { maxLength: 2 })
    .filter((flags) => flags.length > 0),
});

function formatted(given: readonly UnitFileSection[]): string | undefined {
  try {
    return formatUnitFile(given);
  } catch (error) {
    if (!PodwrightError.is(error, 'invalid-argument')) throw error;
    return undefined;
  }
}

describe('a unit file', () => {
  it('is read as it was written, or not written at all', () => {
    let written = 0;
    fc.assert(
      fc.property(sections, (given) => {
        const text = formatted(given);
        if (text === undefined) return;
        written++;
        expect(parseUnitFile(text)).toEqual(given);
      }),
      { numRuns: 1000 },
    );
    expect(written).toBeGreaterThan(100);
  });

  it('never gets a line that was not given', () => {
    fc.assert(
      fc.property(value, (text) => {
        const file = formatted([{ name: 'Unit', entries: [{ key: 'Description', value: text }] }]);
        expect(file === undefined || file.split('\n').length === 3).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['a line end', 'a\nb'],
    ['a carriage return', 'a\rb'],
    ['a NUL byte', 'a\0'],
    ['a blank in front', ' a'],
    ['a blank at the end', 'a\t'],
    ['a backslash at the end', 'a\\'],
    ['half a character', '\ud800'],
    ['a noncharacter', '\ufdd0'],
    ['more than a line may have', 'x'.repeat(1024 * 1024)],
  ])('refuses a value with %s', (_, text) => {
    expect(formatted([{ name: 'Unit', entries: [{ key: 'Description', value: text }] }])).toBeUndefined();
  });

  it.each(['', 'A B', 'A=B', 'A\nB', '1', '[A]'])('refuses the key %j', (name) => {
    expect(formatted([{ name: 'Unit', entries: [{ key: name, value: 'x' }] }])).toBeUndefined();
  });

  it.each(['', 'A]\n[B', 'A\n', '[A'])('refuses the section %j', (name) => {
    expect(formatted([{ name, entries: [] }])).toBeUndefined();
  });

  it.each([
    ['comments and blank lines', '# a\n; b\n\n[Unit]\n # c\nA=1\n', 'A', ['1']],
    ['blanks around key and value', '[Unit]\n  A  =  1 2 \t\n', 'A', ['1 2']],
    ['a continued line', '[Unit]\nA=1 \\\n  2\n', 'A', ['1    2']],
    ['a comment in a continued line', '[Unit]\nA=1 \\\n# no\n; nor this\n2\n', 'A', ['1  2']],
    ['a key that comes again, and an empty value', '[Unit]\nA=1\nA=\nA=2', 'A', ['1', '', '2']],
    ['a section that comes again', '[Unit]\nA=1\n[Service]\nA=9\n[Unit]\nA=2', 'A', ['1', '2']],
    ['other line ends', '[Unit]\r\nA=1\r\n', 'A', ['1']],
    ['a value with an equals sign', '[Unit]\nA=b=c', 'A', ['b=c']],
    ['an escaped backslash at the end', '[Unit]\nA=b\\\\\nC=1', 'A', ['b\\\\']],
  ])('is read with %s', (_, text, name, values) => {
    expect(unitFileValues(parseUnitFile(text), 'Unit', name)).toEqual(values);
  });

  it.each([
    ['a line without an equals sign', '[Unit]\nfoo'],
    ['a setting before any section', 'A=1'],
  ])('with %s is refused', (_, text) => {
    expect(() => parseUnitFile(text)).toThrow(/Line \d/);
  });
});

describe('words', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        expect(splitWords(joinWords(words))).toEqual(words);
      }),
      { numRuns: 1000 },
    );
  });

  it('fit in one line', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 6 }), (words) => {
        const given = [{ name: 'Service', entries: [{ key: 'Environment', value: joinWords(words) }] }];
        expect(parseUnitFile(formatUnitFile(given))).toEqual(given);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['plain ones', 'a  b\tc', ['a', 'b', 'c']],
    ['single quotes', `'a b' c`, ['a b', 'c']],
    ['quotes in the middle', `a"b c"d`, ['ab cd']],
    ['escapes', '"\\x41\\n\\s\\\\" b\\"', ['A\n \\', 'b"']],
    ['an empty one', '"" a', ['', 'a']],
    ['bytes of a character', '\\xc3\\xbc', ['ü']],
  ])('of another writer: %s', (_, text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  it.each(['"a', "'", 'a\\q', '%n', 'a%'])('%j is refused', (text) => {
    expect(() => splitWords(text)).toThrow(/cannot be read/);
  });

  it.each(['a\0', '\udc00', '\u{10fffe}'])('%j cannot be written', (text) => {
    expect(() => joinWords([text])).toThrow(/cannot be a word/);
  });
});

describe('a command', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(command, (given) => {
        const read = parseExecCommand(formatExecCommand(given));
        expect({ ...read, flags: [...(read.flags ?? [])].sort() }).toEqual({
          ...given,
          flags: [...(given.flags ?? [])].sort(),
        });
      }),
      { numRuns: 1000 },
    );
  });

  it.each<[string, ExecCommand, string]>([
    ['plain', { path: '/bin/x', argv: ['/bin/x', 'a b'] }, '"/bin/x" "a b"'],
    ['with a name of its own', { path: '/bin/x', argv: ['y'] }, '"@/bin/x" "y"'],
    ['with dollars', { path: '/bin/x', argv: ['/bin/x', '$A'] }, '"/bin/x" "$$A"'],
    [
      'taken literally',
      { path: '/bin/x', argv: ['/bin/x', '$A%n'], flags: ['no-env-expand'] },
      '":/bin/x" "$A%%n"',
    ],
  ])('%s', (_, given, text) => {
    expect(formatExecCommand(given)).toBe(text);
  });

  it('needs an absolute path', () => {
    expect(() => formatExecCommand({ path: 'x', argv: ['x'] })).toThrow(/absolute/);
  });
});

describe('properties as a unit file', () => {
  it('stand in their sections, with the units and names that files have', () => {
    const sectionsOf = unitFileOf('Service', [
      unitProperty('Description', '100 % x'),
      unitProperty('Slice', 'a.slice'),
      unitProperty('CollectMode', 'inactive-or-failed'),
      unitProperty('After', ['a.service', 'b.service']),
      unitProperty('StartLimitIntervalUSec', 0),
      unitProperty('Type', 'forking'),
      unitProperty('GuessMainPID', true),
      unitProperty('DelegateControllers', []),
      unitProperty('TimeoutStartUSec', 'infinity'),
      unitProperty('TimeoutStopUSec', 1_500_000),
      unitProperty('MemoryMax', 64 * 1024 * 1024),
      unitProperty('TasksMax', 'infinity'),
      unitProperty('CPUQuotaPerSecUSec', 205_000),
      unitProperty('AllowedCPUs', Buffer.from([0b101, 0b10])),
      unitProperty('DeviceAllow', [
        { path: 'char-pts', permissions: 'rw' },
        { path: '/dev/null', permissions: 'rwm' },
      ]),
      unitProperty('Environment', ['A=b c', 'B=%']),
      unitProperty('UMask', 0o22),
      unitProperty('ExecStartEx', [{ path: '/a', argv: ['/a', '$x'], flags: ['no-env-expand'] }]),
    ]);
    expect(formatUnitFile(sectionsOf)).toBe(`[Unit]
Description=100 %% x
CollectMode=inactive-or-failed
After=a.service b.service
StartLimitIntervalSec=0us

[Service]
Slice=a.slice
Type=forking
GuessMainPID=yes
Delegate=
TimeoutStartSec=infinity
TimeoutStopSec=1500000us
MemoryMax=67108864
TasksMax=infinity
CPUQuota=20.50%
AllowedCPUs=0 2 9
DeviceAllow=char-pts rw
DeviceAllow=/dev/null rwm
Environment="A=b c" "B=%%"
UMask=0022
ExecStart=":/a" "$x"
`);
  });

  it('refuse what no file can hold', () => {
    expect(() => unitFileOf('Service', [unitProperty('PIDs', [1])])).toThrow(/PIDs/);
    const device = unitProperty('DeviceAllow', [{ path: '/dev/a b', permissions: 'r' }]);
    expect(() => unitFileOf('Service', [device])).toThrow(/device/);
  });
});
