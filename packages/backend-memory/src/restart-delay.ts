import type { ContainerAttempt, RestartOwner } from '@podwright/core';
import type { RestartBackoff } from './memory-options.js';

/** A container that ran this long starts from the first delay again, as with the kubelet. */
const RESET_AFTER_MS = 10 * 60 * 1000;

/**
 * Whether a backend starts a container again by itself, and after how many milliseconds: at once after the first short
 * run, as the kubelet does, then after the first delay, doubled for each short run more in a row.
 * @param attempts all runs so far, oldest first, the last one ended
 */
export function restartDelay(
  restart: RestartOwner,
  attempts: readonly ContainerAttempt[],
  backoff: RestartBackoff,
): number | undefined {
  const last = attempts.at(-1);
  if (restart.by === 'caller' || !last || restart.policy === 'Never') return undefined;
  if (restart.policy === 'OnFailure' && last.exitCode === 0) return undefined;
  let shortRuns = 0;
  for (const attempt of [...attempts].reverse()) {
    if ((attempt.finishedAtMs ?? attempt.startedAtMs) - attempt.startedAtMs >= RESET_AFTER_MS) break;
    shortRuns++;
  }
  return shortRuns <= 1 ? 0 : Math.min(backoff.initialMs * 2 ** (shortRuns - 2), backoff.maxMs);
}
