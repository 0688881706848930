import { expect, it } from 'vitest';
import { ociSandbox } from './oci-sandbox.js';
import { sandboxRecord } from './testing.spec-helper.js';

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
  expect(ociSandbox(record, '/proc/7/ns/pid').namespaces.pid).toBe('/proc/7/ns/pid');
});
