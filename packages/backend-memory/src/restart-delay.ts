import {
  type ContainerAttempt,
  crashLoopDelayMs,
  type RestartBackoff,
  type RestartOwner,
} from '@podwright/core';

/**
 * Whether a backend starts a container again by itself, and after how many milliseconds, by `crashLoopDelayMs`. A long run
 * is the first of a new series, as with the kubelet.
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
  const isLong = ({ startedAtMs, finishedAtMs = startedAtMs }: ContainerAttempt) =>
    finishedAtMs - startedAtMs >= backoff.resetMs;
  return crashLoopDelayMs(attempts.length - Math.max(0, attempts.findLastIndex(isLong)), backoff);
}
