import { parsePod } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { agentWarning } from './needs-agent.js';

const PROBE = { exec: { command: ['true'] } };
const HOOK = { exec: { command: ['true'] } };
const NEVER = { restartPolicy: 'Never' };
const NOTHING = { fields: [], restarts: [] };

/** What the warning names, of a pod of one container `a`. */
function named(container: object, spec: object = {}, supervised = true) {
  const pod = parsePod({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } },
    spec: { ...spec, containers: [{ name: 'a', image: 'i', ...container }] },
  });
  const warning = agentWarning(pod, supervised) ?? '';
  const list = (text: string | undefined) => text?.split(/, | and /) ?? [];
  return {
    fields: list(/nobody acts on (.*?)(?:, nor| of default\/p:)/.exec(warning)?.[1]),
    restarts: list(/(?:nor|nobody) starts (.*?) of default\/p again/.exec(warning)?.[1]),
  };
}

describe('agentWarning', () => {
  it.each<[string, object, object, Partial<ReturnType<typeof named>>]>([
    ['a plain pod', {}, {}, {}],
    [
      'probes',
      { livenessProbe: PROBE, readinessProbe: PROBE, startupProbe: PROBE },
      {},
      {
        fields: ['containers[a].startupProbe', 'containers[a].livenessProbe', 'containers[a].readinessProbe'],
        restarts: ['a'],
      },
    ],
    [
      'readiness, which restarts nothing',
      { readinessProbe: PROBE },
      {},
      { fields: ['containers[a].readinessProbe'] },
    ],
    [
      'liveness of what ends once',
      { livenessProbe: PROBE },
      NEVER,
      { fields: ['containers[a].livenessProbe'] },
    ],
    ['a preStop hook', { lifecycle: { preStop: HOOK } }, {}, { fields: ['containers[a].lifecycle.preStop'] }],
    ['a postStart hook that may run again', { lifecycle: { postStart: HOOK } }, {}, { restarts: ['a'] }],
    ['a postStart hook that runs once', { lifecycle: { postStart: HOOK } }, NEVER, {}],
    ['a deadline', {}, { activeDeadlineSeconds: 5 }, { fields: ['activeDeadlineSeconds'] }],
    [
      'a limit of what is on disk',
      { resources: { limits: { 'ephemeral-storage': '1Gi', memory: '1Gi' } } },
      {},
      { fields: ['containers[a].resources.limits.ephemeral-storage'] },
    ],
    [
      'a limit of a volume on disk; one in memory is its own',
      {},
      {
        volumes: [
          { name: 'disk', emptyDir: { sizeLimit: '1Gi' } },
          { name: 'memory', emptyDir: { sizeLimit: '1Gi', medium: 'Memory' } },
          { name: 'any', emptyDir: {} },
        ],
      },
      { fields: ['volumes[disk].emptyDir.sizeLimit'] },
    ],
    [
      'a sidecar of what ends',
      {},
      { ...NEVER, initContainers: [{ name: 's', image: 'i', restartPolicy: 'Always' }] },
      { fields: ['initContainers[s].restartPolicy'] },
    ],
    [
      'a sidecar with a liveness probe, of what runs for ever',
      {},
      { initContainers: [{ name: 's', image: 'i', restartPolicy: 'Always', livenessProbe: PROBE }] },
      { fields: ['initContainers[s].livenessProbe'], restarts: ['s'] },
    ],
    [
      'an init container, which ends before the command',
      {},
      { initContainers: [{ name: 'i', image: 'i' }] },
      {},
    ],
  ])('%s', (_what, container, spec, expected) => {
    expect(named(container, spec)).toEqual({ ...NOTHING, ...expected });
  });

  it.each<[string, object, string[]]>([
    ['what is restarted', {}, ['a', 's']],
    ['what is restarted when it fails', { restartPolicy: 'OnFailure' }, ['a', 's']],
    ['what ends once', NEVER, ['s']],
  ])('of a backend that restarts nothing: %s', (_what, spec, restarts) => {
    const initContainers = [
      { name: 'i', image: 'i' },
      { name: 's', image: 'i', restartPolicy: 'Always' },
    ];
    expect(named({}, { ...spec, initContainers }, false).restarts).toEqual(restarts);
    expect(named({}, { ...spec, initContainers }, true).restarts).toEqual([]);
  });
});
