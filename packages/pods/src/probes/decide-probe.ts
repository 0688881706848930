import type { ProbeKind, ProbeResult } from '@podwright/core';

/** What is known of one probe of a running container. */
export interface ProbeState {
  readonly result: ProbeResult;
  /** The last answers in a row that were the same. */
  readonly run: { readonly outcome: 'success' | 'failure'; readonly length: number } | undefined;
}

export interface ProbeThresholds {
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

/** Before the first answer: a container is not ready yet, lives, and it is not known whether it has started. */
export function initialProbeState(kind: ProbeKind): ProbeState {
  const results = { readiness: 'failure', liveness: 'success', startup: 'unknown' } as const;
  return { result: results[kind], run: undefined };
}

/**
 * What a probe says after one more answer, by the kubelet's rules (pkg/kubelet/prober/worker.go): an answer counts when it
 * came as often in a row as its threshold says.
 */
export function decideProbe(
  state: ProbeState,
  outcome: 'success' | 'failure',
  { successThreshold, failureThreshold }: ProbeThresholds,
): ProbeState {
  const length = state.run?.outcome === outcome ? state.run.length + 1 : 1;
  const threshold = outcome === 'success' ? successThreshold : failureThreshold;
  return { result: length >= threshold ? outcome : state.result, run: { outcome, length } };
}
