import { PodwrightError } from '@podwright/core';

/** Kinds that a client meets in the course of its work, as when what it looks at is gone meanwhile. */
const ORDINARY: ReadonlySet<string> = new Set(['not-found', 'cancelled', 'image-not-found', 'timeout']);

/**
 * How loudly a failed call is told of: a defect of ours as an error, what the client may want to know as a warning.
 */
export function failureLevel(method: string, error: unknown): 'debug' | 'warn' | 'error' {
  if (!PodwrightError.is(error) || error.kind === 'internal') return 'error';
  if (!ORDINARY.has(error.kind)) return 'warn';
  return method === 'PullImage' ? 'warn' : 'debug';
}
