import { type ErrorKind, messageOf, PodwrightError } from '@podwright/core';

const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EACCES: 'permission-denied',
  EPERM: 'permission-denied',
  EROFS: 'permission-denied',
};

/** An error of this library as it is; one of the system with its kind and with what was being done. */
export function toPodwrightError(error: unknown, doing: string): PodwrightError {
  if (PodwrightError.is(error)) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return new PodwrightError(KINDS[code] ?? 'internal', `${doing} failed: ${messageOf(error)}.`, {
    cause: error,
    details: { code },
  });
}

/** @throws PodwrightError kind `cancelled` */
export function throwIfAborted(signal: AbortSignal | undefined, doing: string): void {
  if (!signal?.aborted) return;
  throw new PodwrightError('cancelled', `${doing} was cancelled by its caller.`, { cause: signal.reason });
}
