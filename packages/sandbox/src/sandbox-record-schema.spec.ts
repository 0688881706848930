import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import type { SandboxRecord } from './sandbox-record.js';
import { formatSandboxRecord, parseSandboxRecord } from './sandbox-record-schema.js';

const ATTACHMENT = {
  network: {
    cniVersion: '0.4.0',
    name: 'n',
    disableCheck: false,
    plugins: [{ type: 'bridge', own: { x: [1] } }],
  },
  containerId: 's1',
  ifName: 'eth0',
  args: { IgnoreUnknown: '1' },
  capabilityArgs: { portMappings: [{ hostPort: 1 }] },
  result: { ips: [{ address: '10.0.0.2/24' }] },
};

/** Every field there is. */
const FULL: SandboxRecord = {
  version: 2,
  id: 's1',
  name: 'web_default_u_0',
  kubeName: 'web',
  namespace: 'default',
  metadata: { name: 'web', namespace: 'default', uid: 'u', attempt: 0 },
  labels: { 'a/b': 'ü "\n' },
  annotations: { note: ' ' },
  createdAtMs: 1_700_000_000_000,
  bootId: 'b',
  hostname: 'web',
  domain: 'x.test',
  hostAliases: [{ ip: '192.0.2.1', hostnames: ['a'] }],
  network: 'pod',
  hostNetwork: false,
  ipc: 'pod',
  pid: 'pod',
  userNamespace: 'pod',
  idMappings: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
  namespaces: { user: '/r/user', network: '/r/net', ipc: '/r/ipc', uts: '/r/uts', pid: '/r/pid' },
  infra: { pid: 9, startTimeTicks: 100 },
  logDirectory: '/var/log/pods/x',
  processLabel: 'system_u:system_r:container_t:s0',
  mountLabel: 'system_u:object_r:container_file_t:s0',
  cgroupParent: 'x.slice',
  privileged: true,
  runtimeHandler: 'crun',
  seccompPath: '/etc/seccomp.json',
  persist: true,
  resources: { memoryLimitBytes: 1 },
  sysctls: { 'net.core.somaxconn': '1' },
  ips: ['10.0.0.2', 'fd00::2'],
  networks: [{ name: 'n', interface: 'eth0', ips: ['10.0.0.2'], mac: '02:00:00:00:00:01', default: true }],
  portMappings: [{ protocol: 'UDP', containerPort: 80, hostPort: 8080, hostIp: '127.0.0.1' }],
  dns: { servers: ['10.0.0.1'], searches: [], options: [] },
  dnsPolicy: 'None',
  cni: [ATTACHMENT],
  files: { hosts: '/s/hosts', resolvConf: '/s/resolv.conf', hostname: '/s/hostname', shm: '/r/shm' },
  created: true,
  stopping: true,
  networkStopped: true,
  stopped: true,
};

const parse = (value: unknown) => parseSandboxRecord(JSON.stringify(value), 's1', '/s/sandbox.json');
const kindOf = (value: unknown) => {
  try {
    parse(value);
    return undefined;
  } catch (error) {
    return PodwrightError.is(error) ? error.kind : error;
  }
};

describe('a record', () => {
  it('comes back as it was written, with every field', () => {
    expect(parseSandboxRecord(formatSandboxRecord(FULL), 's1', '/s')).toEqual(FULL);
  });

  const optional = ['domain', 'infra', 'logDirectory', 'processLabel', 'mountLabel', 'cgroupParent'];
  optional.push('runtimeHandler', 'seccompPath', 'resources', 'dns');
  const required = Object.keys(FULL).filter((name) => !optional.includes(name));

  it.each(optional)('may lack %s', (name) => {
    const { [name as keyof SandboxRecord]: _, ...rest } = FULL;
    expect(parse(rest)).toEqual(rest);
  });

  it.each(required)('is corrupt without %s', (name) => {
    const { [name as keyof SandboxRecord]: _, ...rest } = FULL;
    expect(kindOf(rest)).toBe('corrupt-state');
  });

  it.each<[string, unknown, string]>([
    ['an empty id', { ...FULL, id: '' }, 'empty-id'],
    ['another id', { ...FULL, id: 's2' }, 'corrupt-state'],
    ['a newer version', { ...FULL, version: 3 }, 'unsupported'],
    ['a field that nobody knows', { ...FULL, more: 1 }, 'corrupt-state'],
    ['an attempt that is text', { ...FULL, metadata: { ...FULL.metadata, attempt: '0' } }, 'corrupt-state'],
    ['a label that is a number', { ...FULL, labels: { a: 1 } }, 'corrupt-state'],
    ['a mode that is none', { ...FULL, ipc: 'container' }, 'corrupt-state'],
    ['a path that is none', { ...FULL, files: { ...FULL.files, shm: 'shm' } }, 'corrupt-state'],
    ['a plugin without a program', { ...FULL, cni: [{ ...ATTACHMENT, network: {} }] }, 'corrupt-state'],
    ['a list', [], 'corrupt-state'],
  ])('is refused with %s', (_what, value, kind) => expect(kindOf(value)).toBe(kind));

  it('names the field that is wrong', () => {
    expect(() => parse({ ...FULL, files: { ...FULL.files, hosts: 1 } })).toThrow(/files\.hosts/);
  });

  it('of version 1 becomes one of this version', () => {
    const old = {
      version: 1,
      id: 's1',
      metadata: { name: 'web', namespace: 'default', uid: 'u', attempt: 1 },
      labels: {},
      annotations: {},
      createdAtMs: 1,
      bootId: 'b',
      hostname: 'node',
      network: 'node',
      ipc: 'node',
      pid: 'container',
      namespaces: {},
      sysctls: {},
      ips: ['10.0.0.1'],
      portMappings: [],
      cni: [],
      files: FULL.files,
      created: true,
      networkStopped: false,
      stopped: false,
    };
    expect(parse(old)).toEqual({
      ...old,
      version: 2,
      name: 'web_default_u_1',
      kubeName: 'web',
      namespace: 'default',
      hostAliases: [],
      hostNetwork: true,
      userNamespace: 'node',
      idMappings: [],
      privileged: false,
      persist: false,
      networks: [],
      dnsPolicy: 'Default',
      stopping: false,
    });
  });
});
