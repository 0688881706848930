import type { ErrorKind } from './errors.js';

const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EACCES: 'permission-denied',
  EPERM: 'permission-denied',
  EROFS: 'permission-denied',
};

/** `ENOENT` and so on; empty for an error that is not the operating system's. */
export function systemErrorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** What an error of the operating system is to a caller; undefined when its code alone does not tell. */
export function systemErrorKind(error: unknown): ErrorKind | undefined {
  return KINDS[systemErrorCode(error)];
}
