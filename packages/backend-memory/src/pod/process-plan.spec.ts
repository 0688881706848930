import { type ContainerConfig, type OciImageExecution, PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { planProcess } from './process-plan.js';

const CONFIG: ContainerConfig = {
  metadata: { name: 'c', attempt: 0 },
  image: 'i',
  env: [],
  mounts: [],
  devices: [],
  labels: {},
  annotations: {},
  resources: {},
  security: {},
  restart: { by: 'caller' },
  terminationGraceMs: 1,
};
const SOURCE = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n',
  group: 'root:x:0:\napp:x:1001:\naudio:x:29:app,other\n',
  hostname: 'h',
};

const plan = (config: Partial<ContainerConfig>, execution: OciImageExecution = {}) =>
  planProcess({ ...CONFIG, ...config }, { ...SOURCE, execution });

describe('planProcess', () => {
  const image = { Entrypoint: ['e'], Cmd: ['c'] };

  it.each<[Partial<ContainerConfig>, OciImageExecution, readonly string[]]>([
    [{}, image, ['e', 'c']],
    [{ args: ['x'] }, image, ['e', 'x']],
    [{ args: [] }, image, ['e']],
    [{ command: ['x'] }, image, ['x']],
    [{ command: ['x'], args: ['y'] }, image, ['x', 'y']],
    [{}, { Cmd: ['c'] }, ['c']],
    [{ args: ['x'] }, {}, ['x']],
  ])('%j of %j runs %j', (config, execution, argv) => {
    expect(plan(config, execution).argv).toEqual(argv);
  });

  it.each<
    [Partial<ContainerConfig>, string | undefined, { uid: number; gid: number; groups: readonly number[] }]
  >([
    [{}, undefined, { uid: 0, gid: 0, groups: [] }],
    [{}, 'app', { uid: 1000, gid: 1001, groups: [29] }],
    [{}, '1000', { uid: 1000, gid: 1001, groups: [29] }],
    [{}, '55', { uid: 55, gid: 0, groups: [] }],
    [{}, 'app:audio', { uid: 1000, gid: 29, groups: [29] }],
    [{}, '55:66', { uid: 55, gid: 66, groups: [] }],
    [{ security: { runAsUser: 0 } }, 'app', { uid: 0, gid: 0, groups: [] }],
    [{ security: { runAsUserName: 'app' } }, undefined, { uid: 1000, gid: 1001, groups: [29] }],
    [
      { security: { runAsGroup: 5, supplementalGroups: [6, 29] } },
      'app',
      { uid: 1000, gid: 5, groups: [29, 6] },
    ],
  ])('%j on an image of user %s is %j', (config, User, user) => {
    expect(plan({ command: ['x'], ...config }, User === undefined ? {} : { User }).user).toEqual(user);
  });

  it('merges the environment by name', () => {
    const { env } = plan(
      { command: ['x'], env: [{ name: 'A', value: '2' }] },
      { Env: ['A=1', 'B=x=y', 'PATH=/p'] },
    );
    expect([env.get('A'), env.get('B'), env.get('PATH'), env.get('HOSTNAME'), env.get('HOME')]).toEqual([
      '2',
      'x=y',
      '/p',
      'h',
      '/root',
    ]);
  });

  it.each<[string, Partial<ContainerConfig>, OciImageExecution, string]>([
    ['no command', {}, {}, 'invalid-argument'],
    ['an empty command', { command: [''] }, {}, 'invalid-argument'],
    ['an unknown user', { command: ['x'], security: { runAsUserName: 'nobody' } }, {}, 'invalid-argument'],
    ['an unknown group', { command: ['x'] }, { User: 'app:nobody' }, 'invalid-argument'],
    [
      'root though it may not be',
      { command: ['x'], security: { runAsNonRoot: true } },
      {},
      'failed-precondition',
    ],
    [
      'a NUL in the environment',
      { command: ['x'], env: [{ name: 'A', value: '\0' }] },
      {},
      'invalid-argument',
    ],
    ['a name with =', { command: ['x'], env: [{ name: 'A=', value: '' }] }, {}, 'invalid-argument'],
  ])('refuses %s', (_what, config, execution, kind) => {
    let thrown: unknown;
    try {
      plan(config, execution);
    } catch (error) {
      thrown = error;
    }
    expect(PodwrightError.is(thrown) && thrown.kind).toBe(kind);
  });
});
