import { parsePod } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { fieldsForAgent } from './needs-agent.js';

const PROBE = { exec: { command: ['true'] } };
const HOOK = { exec: { command: ['true'] } };

function fields(container: object, spec: object = {}) {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } };
  return fieldsForAgent(
    parsePod({ ...pod, spec: { ...spec, containers: [{ name: 'a', image: 'i', ...container }] } }),
  );
}

describe('fieldsForAgent', () => {
  it.each<[string, object, object, string[]]>([
    ['a plain pod', {}, {}, []],
    [
      'probes',
      { livenessProbe: PROBE, readinessProbe: PROBE, startupProbe: PROBE },
      {},
      ['containers[a].startupProbe', 'containers[a].livenessProbe', 'containers[a].readinessProbe'],
    ],
    ['a preStop hook', { lifecycle: { preStop: HOOK } }, {}, ['containers[a].lifecycle.preStop']],
    [
      'a postStart hook that may run again',
      { lifecycle: { postStart: HOOK } },
      {},
      ['containers[a].lifecycle.postStart'],
    ],
    ['a postStart hook that runs once', { lifecycle: { postStart: HOOK } }, { restartPolicy: 'Never' }, []],
    ['a deadline', {}, { activeDeadlineSeconds: 5 }, ['activeDeadlineSeconds']],
  ])('%s', (_what, container, spec, expected) => {
    expect(fields(container, spec)).toEqual(expected);
  });
});
