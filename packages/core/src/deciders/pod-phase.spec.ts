import { describe, expect, it } from 'vitest';
import type { PodContainer, PodPhase } from '../pod-types.js';
import { type PodPhaseInput, podPhase } from './pod-phase.js';

/** `running`, `created`, `waiting:1` (between attempts, the last ended with 1) or `exited:0`; `-` is one that is not there. */
function containersOf(kind: 'init' | 'app', words: readonly string[]): readonly PodContainer[] {
  return words.flatMap((word, index) => {
    if (word === '-') return [];
    const [state = '', exitCode] = word.split(':');
    const run = { attempt: 0, startedAtMs: 1 };
    return [
      {
        ...{ name: `${kind}${index}`, id: 'x://1', kind, image: 'a', imageId: 'b', createdAtMs: 0 },
        ...{ restartCount: 0, ready: false, state: state as PodContainer['state'] },
        attempts:
          state === 'created'
            ? []
            : [exitCode === undefined ? run : { ...run, finishedAtMs: 2, exitCode: Number(exitCode) }],
      },
    ];
  });
}

function phaseOf(inits: string, apps: string, rest: Partial<PodPhaseInput>): PodPhase {
  const split = (words: string) => words.split(' ').filter((word) => word !== '');
  return podPhase({
    restartPolicy: 'Always',
    initNames: split(inits).map((_, index) => `init${index}`),
    sidecarNames: [],
    appNames: split(apps).map((_, index) => `app${index}`),
    containers: [...containersOf('init', split(inits)), ...containersOf('app', split(apps))],
    prepared: true,
    final: false,
    ...rest,
  });
}

describe('podPhase', () => {
  it.each<[string, string, Partial<PodPhaseInput>, PodPhase]>([
    // While it is prepared.
    ['', '-', { prepared: false }, 'Pending'],
    ['running', '-', { prepared: false }, 'Pending'],
    ['exited:0 -', '-', { prepared: false }, 'Pending'],
    ['exited:1', '-', { prepared: false, restartPolicy: 'OnFailure' }, 'Pending'],
    ['exited:1', '-', { prepared: false, restartPolicy: 'Never' }, 'Failed'],
    ['exited:0', 'running -', { prepared: false }, 'Pending'],
    ['exited:0', 'running created', { prepared: false }, 'Pending'],
    ['exited:0', 'running running', { prepared: false }, 'Running'],
    // While it runs.
    ['exited:0', 'running', {}, 'Running'],
    ['-', 'running -', {}, 'Running'],
    ['', 'running exited:1', { restartPolicy: 'Never' }, 'Running'],
    ['', 'waiting:1', {}, 'Running'],
    ['', 'waiting:1 exited:0', { restartPolicy: 'OnFailure' }, 'Running'],
    ['', 'created', {}, 'Pending'],
    // When all have ended.
    ['', 'exited:0', { restartPolicy: 'Always' }, 'Running'],
    ['', 'exited:0 exited:0', { restartPolicy: 'OnFailure' }, 'Succeeded'],
    ['', 'exited:0 exited:1', { restartPolicy: 'OnFailure' }, 'Running'],
    ['', 'exited:0 exited:0', { restartPolicy: 'Never' }, 'Succeeded'],
    ['', 'exited:0 exited:137', { restartPolicy: 'Never' }, 'Failed'],
    ['', 'exited:0 -', { restartPolicy: 'Never' }, 'Succeeded'],
    // When nobody starts it again.
    ['', 'exited:0', { final: true }, 'Succeeded'],
    ['', 'exited:143', { final: true }, 'Failed'],
    ['', 'running exited:0', { final: true }, 'Running'],
    ['exited:1', '-', { final: true }, 'Failed'],
    ['', '-', { final: true }, 'Unknown'],
  ])('init [%s], app [%s], %j: %s', (inits, apps, rest, expected) => {
    expect(phaseOf(inits, apps, rest)).toBe(expected);
  });
});
