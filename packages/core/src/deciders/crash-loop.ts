import type { ServiceIdentifier } from 'inversify';

/** How long a container that keeps ending is left alone before it is started again. */
export interface RestartBackoff {
  /** Before the second restart, in milliseconds; the first one follows at once. It doubles each time. */
  readonly initialMs: number;
  /** The longest delay, in milliseconds. */
  readonly maxMs: number;
  /** A run of this length or more, in milliseconds, begins the count anew. */
  readonly resetMs: number;
}

/** Bound by a backend that has it among its options: PodRuntime restarts by the same values then. */
export const RestartBackoff: ServiceIdentifier<RestartBackoff> = Symbol.for('podwright.core.RestartBackoff');

/** The kubelet's values. */
export const DEFAULT_RESTART_BACKOFF: RestartBackoff = {
  initialMs: 10_000,
  maxMs: 300_000,
  resetMs: 600_000,
};

/**
 * How long to wait before a container that keeps failing is started again: not at all after its first failure, then 10 s,
 * doubled each time up to 5 min. Source: Kubernetes, "Pod Lifecycle", container restarts.
 * @param failures how often it has failed so far, since its last long run
 * @returns milliseconds
 */
export function crashLoopDelayMs(
  failures: number,
  backoff: RestartBackoff = DEFAULT_RESTART_BACKOFF,
): number {
  return failures <= 1 ? 0 : Math.min(backoff.maxMs, backoff.initialMs * 2 ** (failures - 2));
}
