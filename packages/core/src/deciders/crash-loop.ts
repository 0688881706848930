const FIRST_MS = 10_000;
const LONGEST_MS = 300_000;

/**
 * How long to wait before a container that keeps failing is started again: not at all after its first failure, then 10 s,
 * doubled each time up to 5 min. Source: Kubernetes, "Pod Lifecycle", container restarts.
 * @param failures how often it has failed so far, since its last long run
 * @returns milliseconds
 */
export function crashLoopDelayMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 2));
}
