import type { ContainerAttempt, RestartOwner } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { restartDelay } from './restart-delay.js';

const LONG_MS = 600_000;
const BACKOFF = { initialMs: 10, maxMs: 65, resetMs: LONG_MS };

function attempts(
  ...runs: readonly { readonly ranMs?: number; readonly exitCode?: number }[]
): ContainerAttempt[] {
  return runs.map(({ ranMs = 1, exitCode = 1 }, attempt) => ({
    attempt,
    startedAtMs: 0,
    finishedAtMs: ranMs,
    exitCode,
  }));
}

const by = (policy: 'Always' | 'OnFailure' | 'Never'): RestartOwner => ({ by: 'backend', policy });

describe('restartDelay', () => {
  it.each<[string, RestartOwner, ContainerAttempt[], number | undefined]>([
    ['the caller restarts', { by: 'caller' }, attempts({}), undefined],
    ['Never', by('Never'), attempts({}), undefined],
    ['OnFailure after 0', by('OnFailure'), attempts({ exitCode: 0 }), undefined],
    ['OnFailure after a failure', by('OnFailure'), attempts({}), 0],
    ['Always after 0', by('Always'), attempts({ exitCode: 0 }), 0],
    ['the second short run', by('Always'), attempts({}, {}), 10],
    ['the third', by('Always'), attempts({}, {}, {}), 20],
    ['the fourth', by('Always'), attempts({}, {}, {}, {}), 40],
    ['not beyond the maximum', by('Always'), attempts({}, {}, {}, {}, {}, {}), 65],
    ['a long run begins anew', by('Always'), attempts({}, {}, { ranMs: LONG_MS }), 0],
    ['short ones after a long one', by('Always'), attempts({}, { ranMs: LONG_MS }, {}, {}), 20],
  ])('%s', (_what, restart, runs, delayMs) => {
    expect(restartDelay(restart, runs, BACKOFF)).toBe(delayMs);
  });
});
