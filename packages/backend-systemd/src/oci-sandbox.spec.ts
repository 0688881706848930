import { expect, it } from 'vitest';
import { ociSandbox } from './oci-sandbox.js';
import { sandboxRecord } from './testing.spec-helper.js';

it('gives the paths of what is pinned, and the files', () => {
  expect(ociSandbox(sandboxRecord())).toEqual({
    namespaces: { network: '/ns/net', ipc: '/ns/ipc', uts: '/ns/uts', pid: 'new' },
    hostname: 'web',
    shmPath: '/f/shm',
    resolvConfPath: '/f/resolv.conf',
    hostsPath: '/f/hosts',
    hostnamePath: '/f/hostname',
    sysctls: { 'net.core.somaxconn': '1' },
  });
});

it('takes the node for what is not pinned', () => {
  const { namespaces } = ociSandbox({ ...sandboxRecord(), namespaces: {}, pid: 'node' });
  expect(namespaces).toEqual({ network: 'host', ipc: 'host', uts: 'host', pid: 'host' });
});
