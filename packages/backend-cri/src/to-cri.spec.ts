import type { ContainerConfig, ContainerSecurity, PodAmount, PodSandboxConfig } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { toCriContainer, toCriSignal } from './to-cri-container.js';
import { liftedCriResources, toCriResources } from './to-cri-resources.js';
import { toCriSandbox } from './to-cri-sandbox.js';
import { imageUser, seccompProfilePath, toCriNamespaces, toCriSecurity } from './to-cri-security.js';

const { NamespaceMode } = cri;

const sandbox: PodSandboxConfig = {
  metadata: { name: 'p', namespace: 'n', uid: 'u', attempt: 0 },
  labels: { app: 'x' },
  annotations: { a: ' "b" \n' },
  network: 'pod',
  ipc: 'pod',
  pid: 'container',
  portMappings: [{ protocol: 'UDP', containerPort: 53, hostPort: 5353 }],
};

const container: ContainerConfig = {
  metadata: { name: 'c', attempt: 2 },
  image: 'busybox:1',
  env: [{ name: 'A', value: 'ü' }],
  mounts: [],
  devices: [],
  labels: {},
  annotations: {},
  resources: {},
  security: {},
  restart: { by: 'caller' },
  terminationGraceMs: 1000,
};

const security = (more: ContainerSecurity, user = {}) =>
  toCriSecurity(more, toCriNamespaces(sandbox), user, '/seccomp');

describe('resources', () => {
  it.each([
    [{}, {}],
    [{ cpuLimitMillis: 500 }, { cpuPeriod: 100_000n, cpuQuota: 50_000n }],
    [{ cpuLimitMillis: 1 }, { cpuQuota: 1000n }],
    [{ cpuRequestMillis: 250 }, { cpuShares: 256n }],
    [{ cpuRequestMillis: 1 }, { cpuShares: 2n }],
    [
      { memoryLimitBytes: 64, memorySwapLimitBytes: 65 },
      { memoryLimitInBytes: 64n, memorySwapLimitInBytes: 65n },
    ],
    [
      { oomScoreAdj: -5, cpusetCpus: '0-1' },
      { oomScoreAdj: -5n, cpusetCpus: '0-1' },
    ],
    [{ hugepageLimits: { '2MB': 4 } }, { hugepageLimits: [{ pageSize: '2MB', limit: 4n }] }],
    [{ pidsLimit: 7 }, { unified: { 'pids.max': '7' } }],
    [{ swapLimitBytes: 0 }, { unified: { 'memory.swap.max': '0' } }],
  ])('%j', (resources, expected) => expect(toCriResources(resources)).toMatchObject(expected));
});

describe('limits that go', () => {
  it.each<[readonly PodAmount[], object]>([
    [[], {}],
    [['cpuLimitMillis'], { cpuPeriod: 100_000n, cpuQuota: -1n }],
    [['memoryLimitBytes', 'memoryRequestBytes'], { memoryLimitInBytes: -1n }],
    [['cpuRequestMillis'], { cpuShares: 2n }],
  ])('%j', (lift, expected) => expect(liftedCriResources(lift)).toEqual(expected));
});

describe('namespaces', () => {
  it.each([
    [{}, {}, { network: NamespaceMode.POD, ipc: NamespaceMode.POD, pid: NamespaceMode.CONTAINER }],
    [
      { network: 'node', ipc: 'node', pid: 'node' },
      {},
      { network: NamespaceMode.NODE, pid: NamespaceMode.NODE },
    ],
    [{ pid: 'pod' }, { pid: 'container' }, { pid: NamespaceMode.CONTAINER }],
    [{}, { pidTarget: 'x' }, { pid: NamespaceMode.TARGET, targetId: 'x' }],
    [
      { userNamespace: 'pod', idMappings: [{ containerId: 0, hostId: 100, size: 10 }] },
      {},
      { usernsOptions: { mode: NamespaceMode.POD, uids: [{ containerId: 0, hostId: 100, length: 10 }] } },
    ],
  ] as const)('%j of a sandbox, %j of a container', (more, own, expected) => {
    expect(toCriNamespaces({ ...sandbox, ...more }, own)).toMatchObject(expected);
  });
});

describe('security', () => {
  it('says the defaults, which runtimes do not have', () => {
    const { seccomp, maskedPaths, readonlyPaths, noNewPrivs } = security({});
    expect(seccomp).toEqual({
      profileType: cri.SecurityProfile_ProfileType.RuntimeDefault,
      localhostRef: '',
    });
    expect(maskedPaths).toContain('/proc/kcore');
    expect(readonlyPaths).toContain('/proc/sys');
    expect(noNewPrivs).toBe(false);
  });

  it('leaves a privileged container everything', () => {
    expect(security({ privileged: true })).toMatchObject({
      privileged: true,
      maskedPaths: [],
      readonlyPaths: [],
    });
    expect(security({ privileged: true })).not.toHaveProperty('seccomp');
  });

  it.each([
    ['the image’s user by name', {}, { username: 'app' }, { runAsUsername: 'app' }],
    [
      'the image’s user and group',
      {},
      { uid: 5, gid: 6 },
      { runAsUser: { value: 5n }, runAsGroup: { value: 6n } },
    ],
    [
      'a user of its own, without the image’s group',
      { runAsUser: 7 },
      { uid: 5, gid: 6 },
      { runAsUser: { value: 7n } },
    ],
    [
      'a group with the image’s user',
      { runAsGroup: 8 },
      { uid: 5 },
      { runAsUser: { value: 5n }, runAsGroup: { value: 8n } },
    ],
    ['a group where nothing is known of the image', { runAsGroup: 8 }, {}, { runAsUser: { value: 0n } }],
    ['a user by name', { runAsUserName: 'x' }, { uid: 5 }, { runAsUsername: 'x' }],
  ])('runs as %s', (_what, more, image, expected) => {
    const all = security(more, image);
    expect(all).toMatchObject(expected);
    expect(Object.keys(all).filter((key) => key.startsWith('runAs'))).toEqual(
      Object.keys(expected).concat('runAsGroup' in all && !('runAsGroup' in expected) ? ['runAsGroup'] : []),
    );
  });

  it.each([
    ['', { uid: 0 }],
    ['app', { username: 'app' }],
    ['1000', { uid: 1000 }],
    ['1000:5', { uid: 1000, gid: 5 }],
    ['app:5', { username: 'app', gid: 5 }],
    ['app:staff', {}],
  ])('reads the image’s user %j', (user, expected) => expect(imageUser(user)).toEqual(expected));

  it('names capabilities without their prefix', () => {
    const { capabilities } = security({ addCapabilities: ['CAP_NET_ADMIN'], dropCapabilities: ['all'] });
    expect(capabilities).toEqual({ addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] });
  });

  it.each([
    [{ privileged: true, allowPrivilegeEscalation: false }, /privileged/],
    [{ runAsUser: 1, runAsUserName: 'x' }, /one user/],
    [{ seccomp: { type: 'Localhost' } as const }, /localhostPath/],
  ])('refuses %j', (more, message) => expect(() => security(more)).toThrow(message));

  it.each([
    [undefined, undefined],
    [{ type: 'Unconfined' } as const, undefined],
    [{ type: 'Localhost', localhostPath: 'a/b.json' } as const, '/seccomp/a/b.json'],
    [{ type: 'Localhost', localhostPath: '/x.json' } as const, '/x.json'],
  ])('finds the profile of %j', (profile, path) =>
    expect(seccompProfilePath(profile, '/seccomp')).toBe(path),
  );
});

describe('sandboxes and containers', () => {
  it('go on with their names, labels and annotations byte for byte', () => {
    const message = toCriSandbox(sandbox, '/logs', { servers: ['192.0.2.1'], searches: [], options: [] });
    expect(message).toMatchObject({
      metadata: sandbox.metadata,
      labels: sandbox.labels,
      annotations: sandbox.annotations,
      logDirectory: '/logs',
      dnsConfig: { servers: ['192.0.2.1'] },
      portMappings: [{ protocol: cri.Protocol.UDP, containerPort: 53, hostPort: 5353, hostIp: '' }],
    });
  });

  it('have their log below the sandbox’s, or where the caller wants it', () => {
    const parts = {
      imageId: 'sha256:1',
      mounts: [{ hostPath: '/a', containerPath: '/b', propagation: 'bidirectional' as const }],
      logDirectory: '/state/logs/s',
      idMappings: [],
      securityContext: {},
    };
    const made = toCriContainer(container, { ...parts, logPath: '/state/logs/s/c/0.log' });
    expect(made).toMatchObject({
      logPath: 'c/0.log',
      image: { image: 'sha256:1', userSpecifiedImage: 'busybox:1' },
    });
    expect(made.mounts).toMatchObject([{ propagation: cri.MountPropagation.PROPAGATION_BIDIRECTIONAL }]);
    expect(made.envs).toEqual([{ key: 'A', value: Buffer.from('ü') }]);
    expect(toCriContainer(container, { ...parts, logPath: '/var/log/c.log' }).logPath).toBe(
      '../../../var/log/c.log',
    );
  });

  it.each([
    ['SIGTERM', cri.Signal.SIGTERM],
    ['usr1', cri.Signal.SIGUSR1],
    ['SIGRTMIN+3', cri.Signal.SIGRTMINPLUS3],
    ['SIGNONSENSE', undefined],
  ])('know the signal %s', (name, signal) => expect(toCriSignal(name)).toBe(signal));
});
