import { PodwrightError } from '@podwright/core';

/** Calls that a client makes of what may be gone meanwhile, and goes on without. */
const LOOKS = /(Status|Stats)$/;
/** A kubelet goes on probing a container until it has seen its end. */
const PROBE = 'ExecSync';

/**
 * How loudly a failed call is told of: a defect of ours as an error, what somebody may have to do something about as a
 * warning.
 */
export function failureLevel(method: string, error: unknown): 'debug' | 'warn' | 'error' {
  if (!PodwrightError.is(error) || error.kind === 'internal') return 'error';
  if (error.kind === 'cancelled') return 'debug';
  if (method === PROBE && ['not-found', 'failed-precondition'].includes(error.kind)) return 'debug';
  return error.kind === 'not-found' && LOOKS.test(method) ? 'debug' : 'warn';
}
