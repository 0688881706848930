import { describe, expect, it } from 'vitest';
import { infraCommand, infraInit } from './infra-command.js';
import { needsInfra } from './infra-process.js';

describe('needsInfra', () => {
  it.each([
    ['container', true, false],
    ['node', true, false],
    ['pod', true, true],
    ['container', false, true],
    ['node', false, true],
    ['pod', false, true],
  ] as const)('PID mode %s, others dropped: %s → %s', (pid, drops, expected) => {
    expect(needsInfra({ pid }, drops)).toBe(expected);
  });
});

describe('infraCommand', () => {
  const first = ['unshare', '--pid', '--fork', '--kill-child=KILL', '--', 'init'];
  it.each([
    [
      'the pod’s namespaces',
      { pid: 'pod', namespaces: { network: '/n', ipc: '/i', uts: '/u', pid: '/p' } },
      ['nsenter', '--net=/n', '--ipc=/i', '--uts=/u', '--', ...first],
    ],
    [
      'its user namespace, as its root',
      { pid: 'pod', namespaces: { user: '/us', network: '/n', pid: '/p' } },
      ['nsenter', '--user=/us', '--net=/n', '-S', '0', '-G', '0', '--', ...first],
    ],
    ['nothing but a PID namespace', { pid: 'pod', namespaces: { pid: '/p' } }, first],
    ['nothing at all', { pid: 'node', namespaces: {} }, ['init']],
  ] as const)('enters %s', (_what, record, expected) => {
    expect(infraCommand(record, ['init'])).toEqual(expected);
  });
});

describe('infraInit', () => {
  it.each([
    ['catatonit', '/usr/bin/catatonit', ['/usr/bin/catatonit', '-P']],
    ['a shell', undefined, ['sh', '-c', expect.stringContaining('wait')]],
  ])('is %s', async (_what, found, expected) => {
    const which = async (name: string) => (name === 'catatonit' ? found : undefined);
    expect(await infraInit({ which })).toEqual(expected);
  });
});
