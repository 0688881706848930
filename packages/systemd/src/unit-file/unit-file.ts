import { PodwrightError } from '@podwright/core';

/** One setting. `value` is what follows the equals sign, as systemd sees it: a list repeats the key. */
export interface UnitFileEntry {
  readonly key: string;
  readonly value: string;
}

/** A section, e.g. `Unit`, `Service`, `Install`. */
export interface UnitFileSection {
  readonly name: string;
  readonly entries: readonly UnitFileEntry[];
}

/** systemd takes no longer line (LONG_LINE_MAX). */
const MAX_LINE_BYTES = 1024 * 1024;
const KEY = /^[A-Za-z][A-Za-z0-9-]*$/;
const SECTION = /^[A-Za-z][A-Za-z0-9 -]*$/;
const LINE_END = /\r\n|[\n\r\0]/;

/**
 * Text of a unit file (systemd.syntax(7)). What `parseUnitFile` makes of it is exactly what was given: a value that no
 * line can hold is refused, so that none becomes a further setting. Words with such characters are made by `quoteWord`.
 * @throws PodwrightError kind `invalid-argument` that names the key
 */
export function formatUnitFile(sections: readonly UnitFileSection[]): string {
  const lines = sections.flatMap(({ name, entries }, index) => {
    if (!SECTION.test(name)) throw invalid(`A unit file cannot have a section ${JSON.stringify(name)}.`);
    return [...(index === 0 ? [] : ['']), `[${name}]`, ...entries.map(formatEntry)];
  });
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function formatEntry({ key, value }: UnitFileEntry): string {
  if (!KEY.test(key)) throw invalid(`A unit file cannot have a key ${JSON.stringify(key)}.`);
  const problem = valueProblem(value);
  if (problem !== undefined) throw invalid(`The value of ${key}= cannot stand in a unit file: ${problem}.`);
  const line = `${key}=${value}`;
  if (Buffer.byteLength(line) > MAX_LINE_BYTES) throw invalid(`The line ${key}= is longer than 1 MiB.`);
  return line;
}

function valueProblem(value: string): string | undefined {
  if (LINE_END.test(value)) return 'it has a line end or a NUL byte';
  if (strip(value) !== value) return 'it begins or ends with a blank';
  if (isContinued(value)) return 'it ends with a backslash, which would join the next line to it';
  if (!isUnicode(value)) return 'it is no valid Unicode';
  return undefined;
}

/**
 * Reads a unit file as systemd does: comments, continuation lines, blanks around values; a section that comes twice stays
 * two.
 * @throws PodwrightError kind `invalid-argument` with the number of the line
 */
export function parseUnitFile(text: string): readonly UnitFileSection[] {
  const sections: { name: string; entries: UnitFileEntry[] }[] = [];
  let pending: string | undefined;
  const lines = text.split(LINE_END);
  for (const [index, line] of lines.entries()) {
    const isLast = index === lines.length - 1;
    // Also between the parts of a continued line, where comments are left out.
    if (/^[ \t]*[#;]/.test(line) && !(isLast && pending !== undefined)) continue;
    const joined = `${pending ?? ''}${line}`;
    if (isContinued(joined) && !isLast) {
      pending = `${joined.slice(0, -1)} `;
      continue;
    }
    pending = undefined;
    addLine(sections, strip(joined), index + 1);
  }
  return sections;
}

function addLine(sections: { name: string; entries: UnitFileEntry[] }[], line: string, number: number): void {
  if (line === '') return;
  const header = /^\[(.*)\]$/.exec(line)?.[1];
  if (header !== undefined) {
    sections.push({ name: header, entries: [] });
    return;
  }
  const section = sections.at(-1);
  const equals = line.indexOf('=');
  if (equals < 1) throw invalid(`Line ${number} of the unit file has no "=".`);
  if (section === undefined) throw invalid(`Line ${number} of the unit file is in no section.`);
  section.entries.push({ key: strip(line.slice(0, equals)), value: strip(line.slice(equals + 1)) });
}

/** Values of a key in the sections of a name, in their order. */
export function unitFileValues(
  sections: readonly UnitFileSection[],
  section: string,
  key: string,
): readonly string[] {
  return sections
    .filter(({ name }) => name === section)
    .flatMap(({ entries }) => entries.filter((entry) => entry.key === key).map(({ value }) => value));
}

/**
 * Whether systemd takes text for UTF-8 (utf8_is_valid of systemd): no half of a surrogate pair, and none of the
 * noncharacters, for which it refuses the whole file.
 */
export function isUnicode(text: string): boolean {
  return Buffer.from(text, 'utf8').toString('utf8') === text && !/\p{Noncharacter_Code_Point}/u.test(text);
}

function isContinued(line: string): boolean {
  const backslashes = /\\*$/.exec(line)?.[0].length ?? 0;
  return backslashes % 2 === 1;
}

/** Without blanks at both ends: systemd's, not those of Unicode. */
function strip(text: string): string {
  return text.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '');
}

function invalid(message: string): PodwrightError {
  return new PodwrightError('invalid-argument', message);
}
