import { PodwrightError } from '@podwright/core';
import type { ExecCommand } from '../manager/unit-property.js';
import { isUnicode } from './unit-file.js';

/** How the escapes of systemd.syntax(7) ("Quoting") name these characters. */
const NAMED: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['"', '\\"'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);
const UNNAMED: ReadonlyMap<string, string> = new Map([
  ...[...NAMED].map(([character, sequence]) => [sequence.slice(1), character] as const),
  ...Object.entries({ a: '\x07', b: '\b', f: '\f', v: '\v', s: ' ', "'": "'" }),
]);

const FLAG_PREFIXES: ReadonlyMap<string, string> = new Map([
  ['ignore-failure', '-'],
  ['no-env-expand', ':'],
  ['privileged', '+'],
  ['no-setuid', '!'],
  ['ambient', '!!'],
]);
type Flag = NonNullable<ExecCommand['flags']>[number];

/** A text in which systemd sees no specifier. */
export function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%');
}

/**
 * A word that systemd takes as it was given, whatever it holds: quoted, with escapes, and no specifier in it.
 * @throws PodwrightError kind `invalid-argument` for a NUL byte and for text that is no Unicode
 */
export function quoteWord(word: string): string {
  if (word.includes('\0') || !isUnicode(word)) {
    throw new PodwrightError(
      'invalid-argument',
      `${JSON.stringify(word)} cannot be a word of a unit file: it has a NUL byte, or is no valid Unicode.`,
    );
  }
  const escaped = escapeSpecifiers(word).replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what has to be escaped
    /[\\"\x00-\x1f\x7f]/g,
    (character) => NAMED.get(character) ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}

/** Words of a setting that is a list, e.g. `Environment=`. */
export function joinWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

/**
 * The inverse of `joinWords`, as systemd reads quotes and escapes; doubled percent signs become one.
 * @throws PodwrightError kind `invalid-argument` for a quote without an end, an unknown escape or a specifier
 */
export function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  let bytes: Buffer[] | undefined;
  let quote: string | undefined;
  const end = () => {
    if (bytes !== undefined) words.push(unescapeSpecifiers(Buffer.concat(bytes).toString('utf8')));
    bytes = undefined;
  };
  const token = /\\x[0-9a-fA-F]{2}|\\.|./gsu;
  for (const [part] of text.matchAll(token)) {
    if (quote === undefined && /^[ \t\n\r]$/.test(part)) {
      end();
      continue;
    }
    bytes ??= [];
    if (part.startsWith('\\')) bytes.push(bytesOf(part));
    else if (part === quote) quote = undefined;
    else if (quote === undefined && (part === '"' || part === "'")) quote = part;
    else bytes.push(Buffer.from(part, 'utf8'));
  }
  if (quote !== undefined) throw invalid(text, 'a quote in it has no end');
  end();
  return words;
}

/**
 * A command as the value of `ExecStart=` and its kin. Its words arrive byte for byte: without `no-env-expand` dollar
 * signs are doubled, which says the same.
 * @throws PodwrightError kind `invalid-argument` (as `quoteWord`; a path that is not absolute; no argument at all)
 */
export function formatExecCommand({ path, argv, flags = [] }: ExecCommand): string {
  const [name, ...args] = argv;
  if (!path.startsWith('/') || name === undefined) {
    throw invalid(path, 'a command needs an absolute path, and its own name as the first argument');
  }
  const prefixes = flags.map((flag) => FLAG_PREFIXES.get(flag) ?? '').join('');
  const literal = flags.includes('no-env-expand');
  const dollars = (word: string) => (literal ? word : word.replaceAll('$', '$$$$'));
  const own = name === path ? [] : [dollars(name)];
  return joinWords([`${own.length === 0 ? '' : '@'}${prefixes}${path}`, ...own, ...args.map(dollars)]);
}

/**
 * The inverse of `formatExecCommand`; a variable in it is refused.
 * @throws PodwrightError kind `invalid-argument`
 */
export function parseExecCommand(text: string): ExecCommand {
  const [first = '', ...rest] = splitWords(text);
  const [, prefix = '', path = ''] = /^([@:+!-]*)(.*)$/s.exec(first) ?? [];
  if (!path.startsWith('/')) throw invalid(text, 'its program has no absolute path');
  const flags = [...prefix.matchAll(/!!|[:+!-]/g)].flatMap(([sign]) => flagOf(sign));
  const words = flags.includes('no-env-expand') ? rest : rest.map((word) => undollar(text, word));
  const argv = prefix.includes('@') ? words : [path, ...words];
  return { path, argv, ...(flags.length === 0 ? {} : { flags }) };
}

function flagOf(sign: string): readonly Flag[] {
  const found = [...FLAG_PREFIXES].find(([, prefix]) => prefix === sign)?.[0];
  return found === undefined ? [] : [found as Flag];
}

function undollar(text: string, word: string): string {
  return word.replace(/\$\$|\$/g, (found) => {
    if (found === '$$') return '$';
    throw invalid(text, 'it has a variable');
  });
}

function unescapeSpecifiers(word: string): string {
  return word.replace(/%%|%/g, (found) => {
    if (found === '%%') return '%';
    throw invalid(word, 'it has a specifier');
  });
}

function bytesOf(sequence: string): Buffer {
  const hex = /^\\x([0-9a-fA-F]{2})$/.exec(sequence)?.[1];
  if (hex !== undefined) return Buffer.from(hex, 'hex');
  const character = UNNAMED.get(sequence.slice(1));
  if (character === undefined) throw invalid(sequence, 'systemd knows no such escape');
  return Buffer.from(character, 'utf8');
}

function invalid(text: string, reason: string): PodwrightError {
  return new PodwrightError('invalid-argument', `${JSON.stringify(text)} cannot be read: ${reason}.`);
}
