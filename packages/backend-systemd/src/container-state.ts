import type { ContainerAttempt, ContainerPhase, RestartOwner } from '@podwright/core';
import type { AttemptLine } from './attempt-log.js';

/** What was read of a container, in one moment. */
export interface ObservedContainer {
  /** The unit's ActiveState; `inactive` when systemd does not know the unit. */
  readonly activeState: string;
  /** Its unit waits for its start, as at boot for the restore of its pod, or between two attempts. */
  readonly queued: boolean;
  /** Somebody is stopping it, so that no attempt follows: the agent, or the operator with systemctl. */
  readonly stopping: boolean;
  readonly lines: readonly AttemptLine[];
  /** The same attempts, in the contract's terms. */
  readonly attempts: readonly ContainerAttempt[];
  /** The marker of a running attempt, if it is there and belongs to none of the lines. */
  readonly started: { readonly invocation: string; readonly atMs: number } | undefined;
}

export interface DerivedState {
  readonly state: ContainerPhase;
  readonly attempts: readonly ContainerAttempt[];
  readonly nextStartAtMs?: number;
  readonly reason?: string;
}

const GONE = new Set(['inactive', 'failed']);

/** A container's state out of its unit's state and its files. */
export function deriveState(restart: RestartOwner, observed: ObservedContainer): DerivedState {
  const { activeState, queued, stopping, attempts, lines, started } = observed;
  const isDown = GONE.has(activeState);
  const before = attempts.at(-1);
  const running = started && {
    attempt: before === undefined ? 0 : before.attempt + 1,
    startedAtMs: started.atMs,
  };
  // It runs until its end is written, also when systemd has seen the end already.
  if (running && !isDown) return { state: 'running', attempts: [...attempts, running] };
  const ended = running ? [...attempts, lost(running)] : attempts;
  const last = ended.at(-1);
  if (last === undefined) return { state: 'created', attempts: [] };
  const line = running ? undefined : lines.at(-1);
  if ((isDown && !queued) || stopping || !restartsAfter(restart, last, line)) {
    return { state: 'exited', attempts: ended };
  }
  return {
    state: 'waiting',
    attempts: ended,
    ...(line === undefined ? {} : { nextStartAtMs: line.finishedAtMs + line.delayMs }),
    reason: 'CrashLoopBackOff',
  };
}

/** Whether the first attempt has begun. */
export function wasStarted({ lines, started }: Pick<ObservedContainer, 'lines' | 'started'>): boolean {
  return lines.length > 0 || started !== undefined;
}

/** Whether there is an end after which the backend starts a container again. */
export function isRestarted(restart: RestartOwner): restart is Extract<RestartOwner, { by: 'backend' }> {
  return restart.by === 'backend' && restart.policy !== 'Never';
}

/**
 * Whether the backend starts a container again after this attempt. What ended with its host did not end by itself.
 * @param line of the attempt, where its end was written
 */
export function restartsAfter(
  restart: RestartOwner,
  last: ContainerAttempt,
  line: Pick<AttemptLine, 'ending'> | undefined,
): boolean {
  if (!isRestarted(restart)) return false;
  return restart.policy === 'Always' || last.exitCode !== 0 || line?.ending === 'shutdown';
}

/** The unit is gone and did not write how the attempt ended: the host went down under it. */
function lost(attempt: { attempt: number; startedAtMs: number }): ContainerAttempt {
  const message =
    'The unit ended without a record of how: the host went down, or somebody ended the unit by force.';
  return { ...attempt, finishedAtMs: attempt.startedAtMs, exitCode: 255, reason: 'Unknown', message };
}
