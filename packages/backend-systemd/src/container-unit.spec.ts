import { inspect } from 'node:util';
import type { ContainerConfig } from '@podwright/core';
import { unitProperty } from '@podwright/systemd';
import { describe, expect, it } from 'vitest';
import { containerUnit, isForwarded } from './container-unit.js';
import { HostLayout } from './host-layout.js';
import { CONTAINER_ID, containerConfig, containerRecord } from './testing.spec-helper.js';

const PATHS = new HostLayout('/state', '/run/p').container(CONTAINER_ID);
const PROGRAMS = { sh: '/bin/sh', unshare: '/usr/bin/unshare' };
const STATE = `/state/containers/${CONTAINER_ID}`;

function unit(config: Partial<ContainerConfig> = {}, stopSignal = 'TERM') {
  const record = { ...containerRecord(), stopSignal, config: containerConfig(config) };
  return containerUnit(record, PATHS, PROGRAMS, 'default/web', 2);
}

/** Values of the named properties. */
function valuesOf(properties: ReturnType<typeof unit>, ...names: string[]) {
  return Object.fromEntries(
    names.map((name) => [name, properties.find((each) => each.name === name)?.value]),
  );
}

describe('containerUnit', () => {
  it('has exactly these properties', () => {
    const command = (path: string, ...args: string[]) => ({
      path,
      argv: [path, ...args],
      flags: ['no-env-expand'] as const,
    });
    expect(unit()).toEqual([
      unitProperty('Description', 'podwright container default/web/main'),
      unitProperty('Slice', 'podwright-pod1.slice'),
      unitProperty('Type', 'forking'),
      unitProperty('NotifyAccess', 'all'),
      unitProperty('GuessMainPID', true),
      unitProperty('WorkingDirectory', STATE),
      unitProperty('DelegateControllers', []),
      unitProperty('CollectMode', 'inactive-or-failed'),
      unitProperty('OOMPolicy', 'continue'),
      unitProperty('KillMode', 'mixed'),
      unitProperty('KillSignal', 15),
      unitProperty('SendSIGKILL', true),
      unitProperty('TimeoutStartUSec', 'infinity'),
      unitProperty('TimeoutStopUSec', 30_000_000),
      unitProperty('Restart', 'no'),
      unitProperty('LogRateLimitIntervalUSec', 1_000_000),
      unitProperty('LogRateLimitBurst', 100_000_000),
      unitProperty('DevicePolicy', 'closed'),
      unitProperty('DeviceAllow', [{ path: '/dev/null', permissions: 'rwm' }]),
      unitProperty('CPUAccounting', true),
      unitProperty('MemoryAccounting', true),
      unitProperty('TasksAccounting', true),
      unitProperty('IOAccounting', true),
      unitProperty('TasksMax', 'infinity'),
      unitProperty('CPUWeight', 1),
      unitProperty('ExecStartEx', [
        command('/usr/bin/unshare', '-m', '--propagation', 'unchanged', '--', '/bin/sh', `${STATE}/launch`),
      ]),
      unitProperty('ExecStopPostEx', [command('/bin/sh', `${STATE}/record`)]),
    ]);
  });

  it('shows no secret: neither the environment nor the command, labels or annotations', () => {
    const secret = 'hunter2';
    const properties = unit({
      env: [{ name: 'PASSWORD', value: secret }],
      command: ['login', secret],
      args: [secret],
      labels: { a: secret },
      annotations: { a: secret },
    });
    expect(inspect(properties, { depth: null })).not.toContain(secret);
  });

  it.each([
    ['TERM', 15, false],
    ['INT', 2, false],
    ['QUIT', 3, false],
    ['USR1', 15, true],
    ['RTMIN+3', 15, true],
  ])(
    'with the stop signal %s systemd sends %i; a stop script of its own: %s',
    (signal, number, hasScript) => {
      const properties = unit({}, signal);
      expect(valuesOf(properties, 'KillSignal')).toEqual({ KillSignal: number });
      expect(properties.some(({ name }) => name === 'ExecStopEx')).toBe(hasScript);
      expect(isForwarded(signal)).toBe(!hasScript);
    },
  );

  it.each<[ContainerConfig['restart'], string]>([
    [{ by: 'caller' }, 'no'],
    [{ by: 'backend', policy: 'Never' }, 'no'],
    [{ by: 'backend', policy: 'OnFailure' }, 'on-failure'],
    [{ by: 'backend', policy: 'Always' }, 'always'],
  ])('with the restart policy %j says Restart=%s', (restart, expected) => {
    const properties = unit({ restart });
    const restarts = expected === 'no' ? undefined : 100_000;
    expect(valuesOf(properties, 'Restart', 'RestartUSec')).toEqual({
      Restart: expected,
      RestartUSec: restarts,
    });
    // Without it systemd gives up after five starts.
    expect(properties.some(({ name }) => name === 'StartLimitIntervalUSec')).toBe(expected !== 'no');
  });
});
