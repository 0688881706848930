import { PodwrightError } from '@podwright/core';

/** A request that no runtime could carry out. */
export function invalid(message: string, details?: Readonly<Record<string, unknown>>): PodwrightError {
  return new PodwrightError('invalid-argument', message, details === undefined ? {} : { details });
}

/** A request that makes sense and that this runtime cannot carry out. @param field of the CRI, as in its .proto */
export function unsupported(field: string, message: string): PodwrightError {
  return new PodwrightError('unsupported', message, { details: { field } });
}
