import { PodwrightError } from '@podwright/core';
import type { JournalMatch, JournalReadOptions } from './journal-reader.js';

/** Where reading begins. `at` gives the entry itself too; `after` begins behind it. */
export type JournalStart =
  | { readonly from: 'beginning' }
  | { readonly from: 'since'; readonly sinceUs: number }
  | { readonly from: 'at' | 'after'; readonly cursor: string };

export interface JournalPass {
  readonly start: JournalStart;
  readonly follow?: boolean;
  /** Newest first, at most so many. */
  readonly newest?: number;
}

/**
 * Checks what can be checked without the journal.
 * @throws PodwrightError kind `invalid-argument` that names the option, its value and what is allowed
 */
export function validateReadOptions(options: JournalReadOptions): void {
  const { tail, invocation, finish, follow, matches = [], fields = [] } = options;
  for (const name of ['sinceUs', 'untilUs', 'limitBytes'] as const) {
    const value = options[name];
    if (value !== undefined && !isCount(value)) throw invalid(name, value, 'an integer from 0 on');
  }
  if (tail !== undefined && tail !== 'all' && !isCount(tail))
    throw invalid('tail', tail, '`all` or an integer from 0 on');
  if (invocation !== undefined && !/^[\da-f]{32}$/.test(invocation)) {
    throw invalid('invocation', invocation, '32 hexadecimal digits');
  }
  if (finish !== undefined && follow !== true)
    throw invalid('finish', 'a signal', 'used together with `follow` only');
  for (const match of matches) {
    const names = Object.keys(match);
    if (names.length === 0) throw invalid('matches', '{}', 'at least one field in each group');
    if (invocation !== undefined && names.includes('_SYSTEMD_INVOCATION_ID')) {
      throw invalid('matches', '_SYSTEMD_INVOCATION_ID', 'this field only without `invocation`');
    }
    for (const [name, values] of Object.entries(match)) {
      checkField('matches', name);
      if ([values].flat().length === 0) throw invalid('matches', name, 'at least one value for each field');
      if ([values].flat().some((value) => value.includes('\0'))) {
        throw invalid('matches', name, 'values without a NUL byte');
      }
    }
  }
  for (const name of fields) checkField('fields', name);
}

/**
 * The arguments of journalctl for one pass.
 *
 * Seen with systemd 252: `--lines` together with `--since` or a cursor gives the *first* entries;
 * only `--reverse` counts from the end, so a tail is found by a reverse pass of its own. `--after-cursor` leaves out
 * one entry too many when the entry it names is gone or fits no match, so the entry is asked for by `--cursor` and
 * left out by the reader. A time and a cursor exclude each other, so the reader compares times itself too.
 */
export function journalctlArguments(options: JournalReadOptions, pass: JournalPass): string[] {
  const { start } = pass;
  const flags = ['--output=export', '--no-pager'];
  const add = (flag: string, value: string | undefined) => {
    if (value !== undefined) flags.push(`--${flag}=${value}`);
  };
  add('directory', options.directory);
  add('namespace', options.namespace);
  add('unit', options.unit);
  if (start.from === 'since') add('since', atTime(start.sinceUs));
  if (start.from === 'at' || start.from === 'after') add('cursor', start.cursor);
  if (options.untilUs !== undefined && !pass.follow) add('until', atTime(options.untilUs));
  if (pass.newest === undefined) {
    if (options.fields !== undefined) {
      const counted = options.limitBytes === undefined ? [] : ['MESSAGE'];
      // Without any name all fields would come.
      const names = [...options.fields, ...counted, '_BOOT_ID'];
      add('output-fields', [...new Set(names)].join(','));
    }
    // Without it --follow would give the last ten only.
    if (pass.follow) flags.push('--follow', '--lines=all');
  } else {
    add('output-fields', '_BOOT_ID');
    flags.push('--reverse', `--lines=${pass.newest}`);
  }
  return [...flags, ...matchArguments(options)];
}

/** Terms of one field are alternatives, of several fields conditions; `+` separates groups (journalctl(1)). */
function matchArguments({ matches = [], invocation }: JournalReadOptions): string[] {
  const common: JournalMatch = invocation === undefined ? {} : { _SYSTEMD_INVOCATION_ID: invocation };
  const groups = matches.length === 0 && invocation !== undefined ? [{}] : matches;
  return groups.flatMap((group, index) => {
    const terms = Object.entries({ ...group, ...common }).flatMap(([name, values]) =>
      [values].flat().map((value) => `${name}=${value}`),
    );
    return index === 0 ? terms : ['+', ...terms];
  });
}

/** As systemd.time(7) has it: seconds since the epoch with a fraction. */
function atTime(timeUs: number): string {
  return `@${Math.floor(timeUs / 1_000_000)}.${String(timeUs % 1_000_000).padStart(6, '0')}`;
}

/**
 * Whether two cursors are of the same entry: same boot, times and content. The sequence number is not compared, as an
 * entry gets another one when journald moves it from /run to /var.
 */
export function isSameEntry(left: string, right: string): boolean {
  const identity = (cursor: string) =>
    cursor
      .split(';')
      .filter((part) => /^[bmtx]=/.test(part))
      .join(';');
  return left === right || (identity(left) !== '' && identity(left) === identity(right));
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function checkField(option: string, name: string): void {
  if (!/^[A-Z_][A-Z0-9_]{0,63}$/.test(name)) {
    throw invalid(option, name, 'names of journal fields: capital letters, digits and underscores');
  }
}

function invalid(option: string, value: unknown, allowed: string): PodwrightError {
  const message = `The journal cannot be read with ${option} = ${JSON.stringify(value)}; allowed: ${allowed}.`;
  return new PodwrightError('invalid-argument', message, { details: { option, value } });
}
