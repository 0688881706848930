const FIRST_MS = 10_000;
const LONGEST_MS = 300_000;

/** The failures of one image's pulls so far. */
export interface PullFailures {
  readonly failures: number;
  readonly lastFailureMs: number;
}

/**
 * How long to wait before an image is pulled again whose pull has failed: 10 s after the first failure, doubled each
 * time up to 5 min; forgotten when nobody asked for twice the longest wait.
 * Source: kubernetes pkg/kubelet/kubelet.go (imageBackOffPeriod, MaxImageBackOff), client-go util/flowcontrol/backoff.go.
 * @returns milliseconds from `nowMs` on; 0: pull now
 */
export function pullBackoffMs(state: PullFailures | undefined, nowMs: number): number {
  if (state === undefined || isForgotten(state, nowMs)) return 0;
  return Math.max(0, state.lastFailureMs + delayMs(state.failures) - nowMs);
}

/** The state after one more failure. */
export function withPullFailure(state: PullFailures | undefined, nowMs: number): PullFailures {
  const failures = state === undefined || isForgotten(state, nowMs) ? 0 : state.failures;
  return { failures: failures + 1, lastFailureMs: nowMs };
}

function delayMs(failures: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
}

function isForgotten({ lastFailureMs }: PullFailures, nowMs: number): boolean {
  return nowMs - lastFailureMs > 2 * LONGEST_MS;
}
