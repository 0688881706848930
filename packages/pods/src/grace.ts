import type { PodRecord } from '@podwright/core';

/** However long what came before it took, a container has this time for its own end, in milliseconds; as in the kubelet. */
const LEAST_GRACE_MS = 2000;

/** The time that containers have for their end, in milliseconds. */
export interface Grace {
  /** For all of them together, with their hooks. Infinite: the backend alone knows it. */
  readonly wholeMs: number;
  /** For one of which the turn comes late. */
  readonly leastMs: number;
}

/**
 * @param givenMs by the call, in milliseconds
 * @param record with the manifest that says it for calls that do not
 */
export function graceOf(givenMs: number | undefined, record: PodRecord | undefined): Grace {
  if (givenMs !== undefined) return { wholeMs: givenMs, leastMs: Math.min(LEAST_GRACE_MS, givenMs) };
  if (!record) return { wholeMs: Number.POSITIVE_INFINITY, leastMs: LEAST_GRACE_MS };
  const wholeMs = record.manifest.spec.terminationGracePeriodSeconds * 1000;
  return { wholeMs, leastMs: wholeMs > 0 ? LEAST_GRACE_MS : 0 };
}

/**
 * What is left of a grace for those whose turn comes late, in milliseconds.
 * @param spentMs since its beginning, in milliseconds
 * @param hurriedByMs grace in milliseconds of a later call, which is over
 */
export function restOfGrace({ wholeMs, leastMs }: Grace, spentMs: number, hurriedByMs?: number): number {
  const restMs = Math.max(leastMs, wholeMs - spentMs);
  return hurriedByMs === undefined ? restMs : Math.min(restMs, LEAST_GRACE_MS, hurriedByMs);
}
