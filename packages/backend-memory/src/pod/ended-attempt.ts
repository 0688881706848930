import type { ContainerAttempt } from '@podwright/core';
import type { ProcessExit } from '../machine/simulated-process.js';

/** What is known of an attempt when its first process has ended. `message`: from the termination message file, or the log. */
export function endedAttempt(
  running: ContainerAttempt,
  { exitCode, signal }: ProcessExit,
  finishedAtMs: number,
  message: string | undefined,
): ContainerAttempt {
  return {
    ...running,
    finishedAtMs,
    exitCode,
    ...(signal === undefined ? {} : { signal }),
    reason: exitCode === 0 ? 'Completed' : 'Error',
    ...(message === undefined ? {} : { message }),
  };
}
