import { create, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { toSandboxConfig } from './to-sandbox-config.js';

// Without whole messages, which are not to be spread into another.
type Init = Exclude<MessageInitShape<typeof cri.PodSandboxConfigSchema>, Message>;

const { NamespaceMode, Protocol } = cri;
const METADATA = { name: 'web', namespace: 'default', uid: 'uid-1', attempt: 2 };
const convert = (init: Init, handler = '') =>
  toSandboxConfig(create(cri.PodSandboxConfigSchema, { metadata: METADATA, ...init }), handler);
const namespaces = (namespaceOptions: MessageInitShape<typeof cri.NamespaceOptionSchema>): Init => ({
  linux: { securityContext: { namespaceOptions } },
});
const MAPPING = { containerId: 0, hostId: 100_000, length: 65_536 };

describe('toSandboxConfig', () => {
  it.each<[string, Init, object]>([
    ['nothing but a name', {}, {}],
    [
      'hostname and labels',
      { hostname: 'h', labels: { a: 'b' }, annotations: { c: 'd' } },
      { hostname: 'h', labels: { a: 'b' }, annotations: { c: 'd' } },
    ],
    ['the network of the node', namespaces({ network: NamespaceMode.NODE }), { network: 'node' }],
    ['the IPC namespace of the node', namespaces({ ipc: NamespaceMode.NODE }), { ipc: 'node' }],
    ['processes of the node', namespaces({ pid: NamespaceMode.NODE }), { pid: 'node' }],
    ['processes of each container', namespaces({ pid: NamespaceMode.CONTAINER }), { pid: 'container' }],
    [
      'a user namespace',
      namespaces({ usernsOptions: { mode: NamespaceMode.POD, uids: [MAPPING], gids: [MAPPING] } }),
      { userNamespace: 'pod', idMappings: [{ containerId: 0, hostId: 100_000, size: 65_536 }] },
    ],
    ["the node's users", namespaces({ usernsOptions: { mode: NamespaceMode.NODE } }), {}],
    [
      'DNS',
      { dnsConfig: { servers: ['1.1.1.1'], searches: ['a'], options: ['ndots:5'] } },
      { dns: { servers: ['1.1.1.1'], searches: ['a'], options: ['ndots:5'] } },
    ],
    ['an empty DNS configuration', { dnsConfig: {} }, {}],
    [
      'ports, without those that are none of the host',
      {
        portMappings: [
          { containerPort: 80, hostPort: 8080 },
          { containerPort: 81 },
          { containerPort: 53, hostPort: 53, protocol: Protocol.UDP, hostIp: '127.0.0.1' },
        ],
      },
      {
        portMappings: [
          { protocol: 'TCP', containerPort: 80, hostPort: 8080 },
          { protocol: 'UDP', containerPort: 53, hostPort: 53, hostIp: '127.0.0.1' },
        ],
      },
    ],
    [
      "ports with the node's network",
      { ...namespaces({ network: NamespaceMode.NODE }), portMappings: [{ containerPort: 80, hostPort: 80 }] },
      { network: 'node' },
    ],
    [
      'kernel parameters',
      { linux: { sysctls: { 'kernel.shm_rmid_forced': '1' } } },
      { sysctls: { 'kernel.shm_rmid_forced': '1' } },
    ],
    [
      'a slice by its path, as a kubelet gives it',
      { linux: { cgroupParent: '/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice' } },
      { cgroupParent: 'kubepods-besteffort-pod1.slice' },
    ],
    ['another cgroup', { linux: { cgroupParent: '/kubepods/pod1' } }, { cgroupParent: '/kubepods/pod1' }],
    [
      'what is for virtual machines',
      { linux: { overhead: { cpuQuota: 5n }, resources: { cpuQuota: 5n } } },
      {},
    ],
  ])('%s', (_name, init, expected) => {
    expect(convert(init)).toEqual({
      metadata: METADATA,
      labels: {},
      annotations: {},
      network: 'pod',
      ipc: 'pod',
      pid: 'pod',
      portMappings: [],
      ...expected,
    });
  });

  it('names the runtime handler', () => {
    expect(convert({}, 'crun').runtimeHandler).toBe('crun');
  });

  it.each<[string, Init | undefined, string]>([
    ['a missing name', { metadata: { ...METADATA, name: '' } }, 'invalid-argument'],
    ['a missing uid', { metadata: { ...METADATA, uid: '' } }, 'invalid-argument'],
    ['Windows', { windows: {} }, 'unsupported'],
    ['a network of each container', namespaces({ network: NamespaceMode.CONTAINER }), 'invalid-argument'],
    ['processes of another container', namespaces({ pid: NamespaceMode.TARGET }), 'invalid-argument'],
    [
      'users without mappings',
      namespaces({ usernsOptions: { mode: NamespaceMode.POD } }),
      'invalid-argument',
    ],
    [
      'groups that are mapped otherwise',
      namespaces({
        usernsOptions: { mode: NamespaceMode.POD, uids: [MAPPING], gids: [{ ...MAPPING, hostId: 5 }] },
      }),
      'unsupported',
    ],
    [
      'users of another container',
      namespaces({ usernsOptions: { mode: NamespaceMode.TARGET } }),
      'invalid-argument',
    ],
  ])('refuses %s', (_name, init, kind) => {
    expect(() => convert(init ?? {})).toThrow(expect.objectContaining({ kind }));
  });

  it('refuses a request without a configuration', () => {
    expect(() => toSandboxConfig(undefined, '')).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    );
  });
});
