import { PodwrightError } from '@podwright/core';
import { escapeUnitName, isValidUnitName, unescapeUnitName } from './unit-name.js';

/** The slice of everything. */
export const ROOT_SLICE = '-.slice';
/** The slice of everything that Podwright runs. */
export const PODWRIGHT_SLICE = 'podwright.slice';

/**
 * The slice `child` right below `parent`. The child's text is escaped, since a dash would nest it further.
 * @throws PodwrightError kind `invalid-argument` when `parent` is no slice, `child` is empty, or the name gets too long
 */
export function sliceName(parent: string, child: string): string {
  if (!isSliceName(parent)) throw invalid(parent, 'the parent is not the name of a slice');
  if (child === '') throw invalid(child, 'the name of a child is empty');
  const prefix = parent === ROOT_SLICE ? '' : `${parent.slice(0, -'.slice'.length)}-`;
  const name = `${prefix}${escapeOneLevel(child)}.slice`;
  if (!isSliceName(name)) throw invalid(name, 'it is longer than 255 bytes');
  return name;
}

/** Whether this is the name of a slice whose dashes make sense (systemd.slice(5)). */
export function isSliceName(name: string): boolean {
  if (name === ROOT_SLICE) return true;
  return isValidUnitName(name) && /^[^-@]+(-[^-@]+)*\.slice$/.test(name);
}

/**
 * The slice's place below the cgroup root: `a-b.slice` is `a.slice/a-b.slice`, the root slice is the empty path.
 * @throws PodwrightError kind `invalid-argument` when it is not the name of a slice
 */
export function slicePath(name: string): string {
  if (!isSliceName(name)) throw invalid(name, 'it is not the name of a slice');
  if (name === ROOT_SLICE) return '';
  const parts = name.slice(0, -'.slice'.length).split('-');
  return parts.map((_, index) => `${parts.slice(0, index + 1).join('-')}.slice`).join('/');
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const BARE_UUID = /^[0-9a-f]{32}$/;
const POD_SLICE = /^podwright-pod([^-]+)\.slice$/;

/**
 * The slice of a pod, below `podwright.slice`. A UUID in lower case loses its dashes; any other uid is escaped, and one
 * that would read like a UUID without dashes has its first character escaped: no two uids share a slice.
 * @throws PodwrightError kind `invalid-argument` when the uid is empty or too long for a unit name
 */
export function podSliceName(uid: string): string {
  if (uid === '') throw invalid(uid, "a pod's uid is empty");
  const name = `podwright-pod${escapeUid(uid)}.slice`;
  if (!isSliceName(name))
    throw invalid(uid, 'the slice of a pod with this uid would have more than 255 bytes');
  return name;
}

function escapeUid(uid: string): string {
  if (UUID.test(uid)) return uid.replaceAll('-', '');
  if (BARE_UUID.test(uid)) return `\\x${uid.charCodeAt(0).toString(16)}${uid.slice(1)}`;
  return escapeOneLevel(uid);
}

/** systemd-escape writes a slash as a dash, and a dash in the name of a slice nests. */
function escapeOneLevel(text: string): string {
  return escapeUnitName(text).replaceAll('-', '\\x2f');
}

/** The inverse of `podSliceName`; undefined for a slice that is no pod's. */
export function podUidOfSlice(name: string): string | undefined {
  const escaped = POD_SLICE.exec(name)?.[1];
  if (escaped === undefined) return undefined;
  if (BARE_UUID.test(escaped)) {
    return escaped.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
  try {
    return unescapeUnitName(escaped);
  } catch {
    return undefined;
  }
}

function invalid(name: string, reason: string): PodwrightError {
  return new PodwrightError('invalid-argument', `"${name}" cannot be used for a slice: ${reason}.`);
}
