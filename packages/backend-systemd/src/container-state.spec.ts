import type { ContainerAttempt, RestartOwner } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { type AttemptLine, toAttempts } from './attempt-log.js';
import { deriveState, type ObservedContainer } from './container-state.js';

const ALWAYS: RestartOwner = { by: 'backend', policy: 'Always' };
const ON_FAILURE: RestartOwner = { by: 'backend', policy: 'OnFailure' };
const NEVER: RestartOwner = { by: 'backend', policy: 'Never' };
const CALLER: RestartOwner = { by: 'caller' };

const STARTED = { invocation: 'i9', atMs: 9000 };

function line(number: number, exitCode = 0): AttemptLine {
  return {
    ...{ number, invocation: `i${number}`, startedAtMs: 1000, finishedAtMs: 2000, exitCode },
    ...{ exitStatus: '0', oomKills: 0, delayMs: 300, startError: undefined, message: undefined },
  };
}

function observed(fields: Partial<ObservedContainer>): ObservedContainer {
  const lines = fields.lines ?? [];
  return {
    activeState: 'inactive',
    queued: false,
    stopping: false,
    started: undefined,
    attempts: toAttempts(lines),
    ...fields,
    lines,
  };
}

function running(attempt: number): ContainerAttempt {
  return { attempt, startedAtMs: 9000 };
}

const WELL = [line(0)];
const BADLY = [line(0, 1)];

describe('deriveState', () => {
  it.each<[string, RestartOwner, Partial<ObservedContainer>, string, ContainerAttempt[] | 'all']>([
    ['never started', CALLER, {}, 'created', []],
    ['being launched', CALLER, { activeState: 'activating' }, 'created', []],
    [
      'its first launch being stopped',
      CALLER,
      { activeState: 'deactivating', stopping: true },
      'created',
      [],
    ],
    ['runs', CALLER, { activeState: 'active', started: STARTED }, 'running', [running(0)]],
    [
      'runs, systemd waits for its start',
      CALLER,
      { activeState: 'activating', started: STARTED },
      'running',
      [running(0)],
    ],
    [
      'has ended, its end is being written',
      CALLER,
      { activeState: 'deactivating', started: STARTED },
      'running',
      [running(0)],
    ],
    [
      'is being stopped',
      ALWAYS,
      { activeState: 'deactivating', stopping: true, started: STARTED },
      'running',
      [running(0)],
    ],
    [
      'runs again',
      ALWAYS,
      { activeState: 'active', lines: BADLY, started: STARTED },
      'running',
      [...toAttempts(BADLY), running(1)],
    ],
    [
      'runs again, older attempts are not kept',
      ALWAYS,
      { activeState: 'active', lines: [line(49)], started: STARTED },
      'running',
      [...toAttempts([line(49)]), running(50)],
    ],
    ['ended', CALLER, { lines: WELL }, 'exited', 'all'],
    [
      'ended, its unit is not gone yet',
      CALLER,
      { activeState: 'deactivating', lines: WELL },
      'exited',
      'all',
    ],
    ['ended with Never', NEVER, { activeState: 'deactivating', lines: BADLY }, 'exited', 'all'],
    ['ended well with OnFailure', ON_FAILURE, { activeState: 'deactivating', lines: WELL }, 'exited', 'all'],
    ['ended badly with OnFailure', ON_FAILURE, { activeState: 'activating', lines: BADLY }, 'waiting', 'all'],
    ['ended with Always', ALWAYS, { activeState: 'activating', lines: WELL }, 'waiting', 'all'],
    [
      'ended with Always a moment ago',
      ALWAYS,
      { activeState: 'deactivating', lines: WELL },
      'waiting',
      'all',
    ],
    [
      'stopped while it ran',
      ALWAYS,
      { activeState: 'deactivating', stopping: true, lines: WELL },
      'exited',
      'all',
    ],
    [
      'stopped in the back-off',
      ALWAYS,
      { activeState: 'activating', stopping: true, lines: WELL },
      'exited',
      'all',
    ],
    ['stopped by the operator, with Always', ALWAYS, { lines: WELL }, 'exited', 'all'],
    [
      'waiting for its pod after a boot, with Always',
      ALWAYS,
      { queued: true, lines: WELL },
      'waiting',
      'all',
    ],
    [
      'waiting for its pod after a boot that ended it',
      ON_FAILURE,
      { queued: true, lines: [{ ...line(0), ending: 'shutdown' }] },
      'waiting',
      'all',
    ],
    ['ended well before its pod came back', ON_FAILURE, { queued: true, lines: WELL }, 'exited', 'all'],
    ['queued and stopped', ALWAYS, { queued: true, stopping: true, lines: WELL }, 'exited', 'all'],
    ['queued for its first start', CALLER, { queued: true }, 'created', []],
    ['gone with a failed unit', ALWAYS, { activeState: 'failed', lines: WELL }, 'exited', 'all'],
  ])('%s', (_what, restart, fields, state, attempts) => {
    const input = observed(fields);
    const derived = deriveState(restart, input);
    expect(derived.state).toBe(state);
    expect(derived.attempts).toEqual(attempts === 'all' ? input.attempts : attempts);
    if (state !== 'waiting') expect(derived).not.toHaveProperty('nextStartAtMs');
  });

  it('tells when a waiting one starts again', () => {
    expect(deriveState(ALWAYS, observed({ activeState: 'activating', lines: WELL }))).toMatchObject({
      nextStartAtMs: 2300,
      reason: 'CrashLoopBackOff',
    });
  });

  it('one that a power failure took waits for its pod, which starts it again', () => {
    const derived = deriveState(ALWAYS, observed({ queued: true, lines: WELL, started: STARTED }));
    expect(derived).toEqual({
      state: 'waiting',
      attempts: [...toAttempts(WELL), expect.objectContaining({ attempt: 1, exitCode: 255 })],
      reason: 'CrashLoopBackOff',
    });
  });

  it.each(['inactive', 'failed'])('one that was running when its unit got %s was lost', (activeState) => {
    const derived = deriveState(ALWAYS, observed({ activeState, lines: WELL, started: STARTED }));
    expect(derived.state).toBe('exited');
    expect(derived.attempts).toEqual([
      ...toAttempts(WELL),
      {
        ...{ attempt: 1, startedAtMs: 9000, finishedAtMs: 9000, exitCode: 255, reason: 'Unknown' },
        message: expect.stringContaining('without a record'),
      },
    ]);
  });
});
