import { messageOf, PodwrightError, systemErrorCode, systemErrorKind } from '@podwright/core';

/** An error of this library as it is; one of the system with its kind and with what was being done. */
export function toPodwrightError(error: unknown, doing: string): PodwrightError {
  if (PodwrightError.is(error)) return error;
  return new PodwrightError(systemErrorKind(error) ?? 'internal', `${doing} failed: ${messageOf(error)}.`, {
    cause: error,
    details: { code: systemErrorCode(error) },
  });
}

/** @throws PodwrightError kind `cancelled` */
export function throwIfAborted(signal: AbortSignal | undefined, doing: string): void {
  if (!signal?.aborted) return;
  throw new PodwrightError('cancelled', `${doing} was cancelled by its caller.`, { cause: signal.reason });
}
