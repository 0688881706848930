import { PodwrightError } from '@podwright/core';

/** Longest name of a unit, suffix included (systemd.unit(5)). */
export const MAX_UNIT_NAME_BYTES = 255;

const UNIT_TYPES = 'service|socket|target|device|mount|automount|swap|timer|path|slice|scope';
const UNIT_NAME = new RegExp(`^[A-Za-z0-9:_.\\\\-]+(@[A-Za-z0-9:_.\\\\@-]*)?\\.(${UNIT_TYPES})$`);

/** Whether systemd takes a name for a unit, templates included (unit_name_is_valid of systemd, systemd.unit(5)). */
export function isValidUnitName(name: string): boolean {
  return name.length <= MAX_UNIT_NAME_BYTES && UNIT_NAME.test(name);
}

/**
 * Any text as part of a unit name, as `systemd-escape` writes it: `/` becomes `-`, every byte that is no letter of
 * ASCII, digit, `:`, `_` or `.` becomes `\xNN`, and so does a dot in front.
 * @throws PodwrightError kind `invalid-argument` for a text with a NUL byte
 */
export function escapeUnitName(text: string): string {
  if (text.includes('\0')) throw invalid(text, 'no unit name has a NUL byte');
  let escaped = '';
  for (const [index, byte] of Buffer.from(text, 'utf8').entries()) {
    const character = String.fromCharCode(byte);
    if (character === '/') escaped += '-';
    else if (/[A-Za-z0-9:_]/.test(character) || (character === '.' && index > 0)) escaped += character;
    else escaped += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return escaped;
}

/**
 * The inverse of `escapeUnitName`, as `systemd-escape --unescape`.
 * @throws PodwrightError kind `invalid-argument` when a backslash is not followed by `x` and two hexadecimal digits, or
 *   the bytes are no UTF-8
 */
export function unescapeUnitName(escaped: string): string {
  const bytes: Buffer[] = [];
  for (const part of escaped.split(/(\\x[0-9A-Fa-f]{2}|\\|-)/)) {
    if (part === '\\')
      throw invalid(escaped, 'a backslash in it is not followed by x and two hexadecimal digits');
    if (part === '-') bytes.push(Buffer.from('/'));
    else if (part.startsWith('\\x')) bytes.push(Buffer.from(part.slice(2), 'hex'));
    else bytes.push(Buffer.from(part, 'utf8'));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes));
  } catch (cause) {
    throw invalid(escaped, 'its bytes are no UTF-8', cause);
  }
}

/**
 * A path of the file system as the name of its mount, swap or device unit, without the suffix, as `systemd-escape --path`:
 * slashes at both ends and double ones do not count, `/` itself is `-`.
 * @throws PodwrightError kind `invalid-argument` for a path with `..`, an empty one, or a NUL byte
 */
export function escapeUnitPath(path: string): string {
  if (path === '') throw invalid(path, 'an empty path has no unit name');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw invalid(path, 'a path with ".." has no unit name');
  return parts.length === 0 ? '-' : escapeUnitName(parts.join('/'));
}

/** Where systemd's D-Bus service has a unit: every byte but letters and digits is `_NN`, and so is a digit in front. */
export function unitObjectPath(name: string): string {
  let label = '';
  for (const [index, byte] of Buffer.from(name, 'utf8').entries()) {
    const character = String.fromCharCode(byte);
    const isPlain = /[A-Za-z]/.test(character) || (index > 0 && /[0-9]/.test(character));
    label += isPlain ? character : `_${byte.toString(16).padStart(2, '0')}`;
  }
  return `${UNIT_PATH_NAMESPACE}/${label}`;
}

/** The path below which systemd's D-Bus service has all units. */
export const UNIT_PATH_NAMESPACE = '/org/freedesktop/systemd1/unit';

/** The inverse of `unitObjectPath`; undefined for another object's path. */
export function unitOfObjectPath(path: string): string | undefined {
  if (!path.startsWith(`${UNIT_PATH_NAMESPACE}/`)) return undefined;
  const label = path.slice(UNIT_PATH_NAMESPACE.length + 1);
  const bytes = label.replace(/_([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function invalid(text: string, reason: string, cause?: unknown): PodwrightError {
  return new PodwrightError('invalid-argument', `"${text}" cannot be part of a unit name: ${reason}.`, {
    ...(cause === undefined ? {} : { cause }),
  });
}
