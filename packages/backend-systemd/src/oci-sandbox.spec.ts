import { expect, it } from 'vitest';
import { ociSandbox } from './oci-sandbox.js';
import { errorOf, sandboxRecord } from './testing.spec-helper.js';

it('gives the paths of what is pinned, and the files', () => {
  expect(ociSandbox(sandboxRecord())).toEqual({
    namespaces: { network: '/ns/net', ipc: '/ns/ipc', uts: '/ns/uts', pid: 'new', user: 'host' },
    idMappings: [],
    hostname: 'web',
    shmPath: '/f/shm',
    resolvConfPath: '/f/resolv.conf',
    hostsPath: '/f/hosts',
    hostnamePath: '/f/hostname',
  });
});

it('takes the node for what is not pinned', () => {
  const { namespaces } = ociSandbox({ ...sandboxRecord(), namespaces: {}, pid: 'node' });
  expect(namespaces).toEqual({ network: 'host', ipc: 'host', uts: 'host', pid: 'host', user: 'host' });
});

it('joins the PID and user namespaces of the pod, and another container’s in place of them', () => {
  const idMappings = [{ containerId: 0, hostId: 100_000, size: 65_536 }];
  const record = sandboxRecord({ namespaces: { user: '/ns/user', pid: '/ns/pid' }, pid: 'pod', idMappings });
  expect(ociSandbox(record)).toMatchObject({ namespaces: { user: '/ns/user', pid: '/ns/pid' }, idMappings });
  expect(ociSandbox(record, { target: '/proc/7/ns/pid' }).namespaces.pid).toBe('/proc/7/ns/pid');
});

it.each([
  ['container', 'node', 'host'],
  ['container', 'container', 'new'],
  ['pod', 'container', 'new'],
  ['pod', 'pod', '/ns/pid'],
  ['pod', 'node', 'host'],
  ['node', 'container', 'new'],
] as const)('in a sandbox of pid %s, gives a container of pid %s: %s', (pid, mode, expected) => {
  const namespaces = pid === 'pod' ? { pid: '/ns/pid' } : {};
  expect(ociSandbox(sandboxRecord({ pid, namespaces }), { mode }).namespaces.pid).toBe(expected);
});

it('has no PID namespace to share where the sandbox has none', async () => {
  const error = await errorOf(() => ociSandbox(sandboxRecord({ namespaces: {} }), { mode: 'pod' }));
  expect(error).toMatchObject({ kind: 'failed-precondition', message: expect.stringContaining('pid: pod') });
});

it('shows no processes of the node in a user namespace', async () => {
  const record = sandboxRecord({ namespaces: { user: '/ns/user' } });
  const error = await errorOf(() => ociSandbox(record, { mode: 'node' }));
  expect(error.kind).toBe('invalid-argument');
});
