import type { ProbeKind, ProbeResult } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { decideProbe, initialProbeState } from './decide-probe.js';

/** `+` is a success, `-` a failure. @returns the result after each */
function resultsOf(kind: ProbeKind, answers: string, successThreshold: number, failureThreshold: number) {
  let state = initialProbeState(kind);
  return [...answers].map((answer): ProbeResult => {
    state = decideProbe(state, answer === '+' ? 'success' : 'failure', {
      successThreshold,
      failureThreshold,
    });
    return state.result;
  });
}

describe('decideProbe', () => {
  it.each<[ProbeKind, string, number, number, string]>([
    ['readiness', '+', 1, 3, 'success'],
    ['readiness', '--', 1, 3, 'failure failure'],
    ['readiness', '+--+---', 1, 3, 'success success success success success success failure'],
    ['readiness', '++-+++', 3, 1, 'failure failure failure failure failure success'],
    ['liveness', '-', 1, 1, 'failure'],
    ['liveness', '--+--', 1, 3, 'success success success success success'],
    ['liveness', '---', 1, 3, 'success success failure'],
    ['startup', '-', 1, 3, 'unknown'],
    ['startup', '--+', 1, 3, 'unknown unknown success'],
    ['startup', '---', 1, 3, 'unknown unknown failure'],
  ])('%s %s with thresholds %i and %i', (kind, answers, successes, failures, expected) => {
    expect(resultsOf(kind, answers, successes, failures).join(' ')).toBe(expected);
  });
});
