import { type ContainerConfig, type ContainerSecurity, PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { buildOciSpec, defaultMaskedPaths, type OciSpecInput } from './build-oci-spec.js';
import { capabilityNumbers, defaultCapabilities } from './capabilities.js';
import { deviceAllowList } from './devices.js';
import type { MandatoryAccess } from './mandatory-access.js';

const CONFIG: ContainerConfig = {
  metadata: { name: 'web', attempt: 0 },
  image: 'docker.io/library/web:1',
  env: [],
  mounts: [],
  devices: [],
  labels: { team: 'a' },
  annotations: { 'run.oci.handler': 'wasm' },
  resources: { memoryLimitBytes: 1 },
  security: {},
  restart: { by: 'caller' },
  terminationGraceMs: 0,
};

const INPUT: OciSpecInput = {
  config: CONFIG,
  sandbox: {
    namespaces: { network: '/run/ns/net', ipc: '/run/ns/ipc', uts: '/run/ns/uts', pid: 'new' },
    hostname: 'pod-1',
    shmPath: '/run/shm',
    hostsPath: '/run/hosts',
    resolvConfPath: '/run/resolv.conf',
    hostnamePath: '/run/hostname',
  },
  image: {
    config: {
      Env: ['PATH=/image', 'A=1', 'BROKEN', 'EQUALS=a=b'],
      Entrypoint: ['/entry', 'point'],
      Cmd: ['cmd'],
      WorkingDir: 'srv',
    },
  },
  user: { uid: 33, gid: 34, additionalGids: [34, 35], home: '/home/web', name: 'web' },
  rootfsPath: '/run/rootfs',
  deviceNodes: [],
  seccomp: { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [] },
  host: {
    capabilities: [...capabilityNumbers.keys()].filter((name) => name !== 'CAP_SYS_RESOURCE'),
    cgroupVersion: 2,
    hardLimits: { RLIMIT_NOFILE: 20_000 },
    arch: 'amd64',
    kernelVersion: '6.1',
    mandatoryAccess: { seLinux: false },
  },
};

const build = (config: Partial<ContainerConfig> = {}, input: Partial<OciSpecInput> = {}) =>
  buildOciSpec({ ...INPUT, ...input, config: { ...CONFIG, ...config } });
const secured = (security: ContainerSecurity) => build({ security });

function errorOf(action: () => unknown): PodwrightError {
  try {
    action();
  } catch (error) {
    if (PodwrightError.is(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('the command line', () => {
  const image = INPUT.image.config;
  it.each([
    ['nothing given', {}, image, ['/entry', 'point', 'cmd']],
    ['args alone keep the entrypoint', { args: ['x'] }, image, ['/entry', 'point', 'x']],
    ['command drops entrypoint and Cmd', { command: ['c'] }, image, ['c']],
    ['command and args', { command: ['c'], args: ['x', ''] }, image, ['c', 'x', '']],
    ['empty lists count as absent', { command: [], args: [] }, image, ['/entry', 'point', 'cmd']],
    ['Cmd only', {}, { Cmd: ['sh'], Entrypoint: null }, ['sh']],
    ['$(VAR) stays as it is', { command: ['$(A)', '%n', '$HOME'] }, image, ['$(A)', '%n', '$HOME']],
  ])('%s', (_, config, own, expected) => {
    expect(build(config, { image: { config: own ?? {} } }).process.args).toEqual(expected);
  });

  it('needs a program, and words without NUL', () => {
    expect(errorOf(() => build({}, { image: {} }))).toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining('docker.io/library/web:1 has neither an entrypoint nor a command'),
    });
    expect(errorOf(() => build({ command: ['a', 'b\0'] })).message).toContain('Word 1');
    expect(errorOf(() => build({ command: [''] })).message).toContain('empty');
  });
});

describe('the environment', () => {
  it('is the image’s with the configuration’s over it by name, byte for byte', () => {
    const value = 'a "b" $HOME %n\né=';
    const { env } = build({
      env: [
        { name: 'A', value },
        { name: 'NEW', value: '' },
      ],
    }).process;
    expect(env).toEqual([
      'PATH=/image',
      'HOSTNAME=pod-1',
      'HOME=/home/web',
      `A=${value}`,
      'EQUALS=a=b',
      'NEW=',
    ]);
  });

  it('has a PATH of its own, and HOME and HOSTNAME that may be set', () => {
    const env = [
      { name: 'HOME', value: '/x' },
      { name: 'HOSTNAME', value: 'y' },
    ];
    expect(build({ env, command: ['sh'] }, { image: {} }).process.env).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOSTNAME=y',
      'HOME=/x',
    ]);
  });

  it.each([
    ['', 'v'],
    ['A=B', 'v'],
    ['A\0', 'v'],
    ['A', 'secret\0'],
  ])('refuses %j with %j and does not tell the value', (name, value) => {
    const error = errorOf(() => build({ env: [{ name, value }] }));
    expect(error.kind).toBe('invalid-argument');
    expect(error.message).not.toContain('secret');
  });
});

describe('the working directory', () => {
  it.each([
    [{ workingDir: '/own' }, 'srv', '/own'],
    [{}, 'srv', '/srv'],
    [{}, '/srv', '/srv'],
    [{}, undefined, '/'],
    [{ workingDir: '' }, '', '/'],
  ])('of %j with the image’s %j is %s', (config, WorkingDir, expected) => {
    const image = { config: { Cmd: ['x'], ...(WorkingDir !== undefined && { WorkingDir }) } };
    expect(build(config, { image }).process.cwd).toBe(expected);
  });

  it('is not relative', () => {
    expect(errorOf(() => build({ workingDir: 'x' })).kind).toBe('invalid-argument');
  });
});

describe('namespaces', () => {
  it('are joined by path, made, or left to the host', () => {
    expect(build().linux.namespaces).toEqual([
      { type: 'mount' },
      { type: 'network', path: '/run/ns/net' },
      { type: 'ipc', path: '/run/ns/ipc' },
      { type: 'uts', path: '/run/ns/uts' },
      { type: 'pid' },
      { type: 'cgroup' },
    ]);
    const namespaces = { network: 'host', ipc: 'host', uts: 'new', pid: 'host' };
    const spec = build({}, { sandbox: { namespaces, hostname: 'h' } });
    expect(spec.linux.namespaces).toEqual([{ type: 'mount' }, { type: 'uts' }, { type: 'cgroup' }]);
    expect(spec.hostname).toBe('h');
    // With the host's IPC its shared memory too.
    expect(spec.mounts.find(({ destination }) => destination === '/dev/shm')).toMatchObject({
      type: 'bind',
      source: '/dev/shm',
    });
  });

  it('leave the name of a joined UTS namespace as it is', () => {
    expect(build().hostname).toBeUndefined();
  });

  it('refuse what is neither a path nor a word they know', () => {
    const namespaces = { ...INPUT.sandbox.namespaces, ipc: 'pod' };
    expect(errorOf(() => build({}, { sandbox: { namespaces } })).message).toContain('"pod"');
  });
});

describe('security', () => {
  it('has the default capabilities, lists, filter and user', () => {
    const { process, linux, root } = build();
    expect([...process.capabilities.bounding].sort()).toEqual([...defaultCapabilities].sort());
    expect(process.capabilities).toMatchObject({ inheritable: [], ambient: [] });
    expect(process.user).toEqual({ uid: 33, gid: 34, additionalGids: [34, 35] });
    expect(process).toMatchObject({ noNewPrivileges: false, terminal: false });
    expect(linux.maskedPaths).toEqual(defaultMaskedPaths);
    expect(linux.readonlyPaths).toContain('/proc/sys');
    expect(linux.seccomp).toEqual(INPUT.seccomp);
    expect(root).toEqual({ path: '/run/rootfs', readonly: false });
  });

  it('drops nearly all of it for a privileged container', () => {
    const { process, linux, mounts } = secured({ privileged: true });
    expect(process.capabilities.effective).toEqual(INPUT.host.capabilities);
    expect(linux).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
    expect(linux.seccomp).toBeUndefined();
    expect(linux.namespaces).not.toContainEqual({ type: 'cgroup' });
    expect(linux.resources.devices).toEqual([{ allow: true, access: 'rwm' }]);
    for (const path of ['/sys', '/sys/fs/cgroup']) {
      expect(mounts.find(({ destination }) => destination === path)?.options).toContain('rw');
    }
    expect(errorOf(() => secured({ privileged: true, allowPrivilegeEscalation: false })).kind).toBe(
      'invalid-argument',
    );
  });

  it('takes its own lists, a read-only root and no_new_privs', () => {
    const spec = secured({
      maskedPaths: [],
      readOnlyPaths: ['/x'],
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
    });
    expect(spec.linux).toMatchObject({ maskedPaths: [], readonlyPaths: ['/x'] });
    expect(spec.root.readonly).toBe(true);
    expect(spec.process.noNewPrivileges).toBe(true);
    expect(spec.mounts.find(({ destination }) => destination === '/etc/hosts')?.options).toContain('ro');
  });

  it('gives the runtime a filter that is compiled beside the profile, and neither to a privileged container', () => {
    const { annotations, linux } = build({}, { compiledSeccomp: 'AAAA' });
    expect(annotations).toEqual({ 'run.oci.seccomp_bpf_data': 'AAAA' });
    expect(linux.seccomp).toEqual(INPUT.seccomp);
    expect(
      build({ security: { privileged: true } }, { compiledSeccomp: 'AAAA' }).annotations,
    ).toBeUndefined();
  });

  it('keeps labels, annotations and limits out of the document', () => {
    expect(JSON.stringify(build())).not.toMatch(/team|run\.oci|memory/);
  });
});

describe('resource limits', () => {
  const rlimit = (type: string, soft: number, hard: number) => build({ rlimits: [{ type, soft, hard }] });

  it('are passed on', () => {
    expect(rlimit('RLIMIT_NOFILE', 10, 20).process.rlimits).toEqual([
      { type: 'RLIMIT_NOFILE', soft: 10, hard: 20 },
    ]);
  });

  it.each([
    ['nofile', 1, 1, 'setrlimit'],
    ['RLIMIT_NOFILE', 2, 1, 'above its hard value'],
    ['RLIMIT_NOFILE', -1, 1, 'whole numbers'],
    ['RLIMIT_NOFILE', 1.5, 2, 'whole numbers'],
  ])('%s %d %d is refused', (type, soft, hard, said) => {
    expect(errorOf(() => rlimit(type, soft, hard))).toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(said),
    });
  });

  it('above the host’s own need CAP_SYS_RESOURCE', () => {
    expect(errorOf(() => rlimit('RLIMIT_NOFILE', 1, 20_001))).toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringMatching(/20001.*20000.*CAP_SYS_RESOURCE/),
    });
    const host = { ...INPUT.host, capabilities: ['CAP_SYS_RESOURCE'] };
    const rlimits = [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 20_001 }];
    expect(build({ rlimits }, { host }).process.rlimits).toEqual(rlimits);
  });
});

describe('a user namespace of the pod’s', () => {
  const sandbox = {
    ...INPUT.sandbox,
    namespaces: { ...INPUT.sandbox.namespaces, user: '/run/ns/user' },
    idMappings: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
  };

  it('is joined, with its ids told', () => {
    const { linux, mounts } = build({}, { sandbox });
    expect(linux.namespaces).toContainEqual({ type: 'user', path: '/run/ns/user' });
    expect(linux.uidMappings).toEqual([{ containerID: 0, hostID: 100_000, size: 65_536 }]);
    expect(linux.gidMappings).toEqual(linux.uidMappings);
    expect(mounts.find(({ destination }) => destination === '/etc/hosts')?.options).toContain(
      'idmap=uids=0-100000-65536;gids=0-100000-65536',
    );
  });

  it.each([
    [{ uid: 65_536 }, 'user 65536'],
    [{ gid: 70_000 }, 'group 70000'],
    [{ additionalGids: [34, 65_536] }, 'group 65536'],
  ])('does not have %j', (ids, named) => {
    const user = { ...INPUT.user, ...ids };
    expect(errorOf(() => build({}, { sandbox, user }))).toMatchObject({
      kind: 'invalid-argument',
      message: expect.stringContaining(named),
    });
    expect(build({}, { user }).linux.namespaces).not.toContainEqual(
      expect.objectContaining({ type: 'user' }),
    );
  });
});

describe('AppArmor and SELinux', () => {
  const on = (mandatoryAccess: MandatoryAccess, security: ContainerSecurity) =>
    build({ security }, { host: { ...INPUT.host, mandatoryAccess } });
  const both = { appArmorProfiles: ['web', 'usual'], appArmorDefault: 'usual', seLinux: true };
  const none = { seLinux: false };

  it.each([
    [{}, 'usual'],
    [{ appArmor: { type: 'RuntimeDefault' } }, 'usual'],
    [{ appArmor: { type: 'Localhost', localhostProfile: 'web' } }, 'web'],
    [{ appArmor: { type: 'Unconfined' } }, undefined],
    [{ privileged: true }, undefined],
  ] as const)('%j is confined by %s', (security, profile) => {
    expect(on(both, security).process.apparmorProfile).toBe(profile);
  });

  it('labels processes and the root file system', () => {
    const { process, linux } = on(both, { seLinux: { type: 'web_t', level: 's0:c1,c2' } });
    expect(process.selinuxLabel).toBe('system_u:system_r:web_t:s0:c1,c2');
    expect(linux.mountLabel).toBe('system_u:object_r:container_file_t:s0:c1,c2');
  });

  it.each([
    [none, { appArmor: { type: 'RuntimeDefault' } }, 'unsupported', 'no AppArmor'],
    [
      none,
      { appArmor: { type: 'Localhost', localhostProfile: 'web' } },
      'unsupported',
      'AppArmor profile web',
    ],
    [none, { seLinux: { level: 's0' } }, 'unsupported', 'no SELinux'],
    [
      both,
      { appArmor: { type: 'Localhost', localhostProfile: 'other' } },
      'missing-requirement',
      'not loaded',
    ],
    [
      { ...none, appArmorProfiles: [] },
      { appArmor: { type: 'RuntimeDefault' } },
      'missing-requirement',
      'none is configured',
    ],
    [both, { appArmor: { type: 'Localhost' } }, 'invalid-argument', 'Localhost'],
  ] as const)('on %j, %j is %s', (host, security, kind, words) => {
    expect(errorOf(() => on(host, security))).toMatchObject({
      kind,
      message: expect.stringContaining(words),
    });
  });

  it('are not missed by containers that ask for none', () => {
    expect(on(none, { appArmor: { type: 'Unconfined' } }).process).not.toHaveProperty('apparmorProfile');
    expect(on(none, {}).process).not.toHaveProperty('selinuxLabel');
  });
});

describe('devices', () => {
  const deviceNodes = [
    {
      path: '/dev/fuse',
      type: 'c',
      major: 10,
      minor: 229,
      fileMode: 0o666,
      uid: 0,
      gid: 0,
      permissions: 'rw',
    },
    { path: '/dev/disk', type: 'b', major: 8, minor: 1, fileMode: 0o660, uid: 0, gid: 6, permissions: 'r' },
  ] as const;

  it('are made, and allowed in the document and the unit alike', () => {
    const { linux } = build({}, { deviceNodes });
    expect(linux.devices).toEqual(deviceNodes.map(({ permissions: _, ...node }) => node));
    expect(linux.resources.devices.at(0)).toEqual({ allow: false, access: 'rwm' });
    expect(linux.resources.devices.slice(-2)).toEqual([
      { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
      { allow: true, type: 'b', major: 8, minor: 1, access: 'r' },
    ]);
    const allowed = deviceAllowList({ config: CONFIG, deviceNodes });
    expect(allowed).toEqual(
      expect.arrayContaining([
        { path: 'char-*', permissions: 'm' },
        { path: 'block-*', permissions: 'm' },
        { path: '/dev/null', permissions: 'rwm' },
        { path: 'char-pts', permissions: 'rwm' },
        { path: '/dev/char/10:229', permissions: 'rw' },
        { path: '/dev/block/8:1', permissions: 'r' },
      ]),
    );
    // Every rule has its counterpart; only the denial of all others is DevicePolicy=closed.
    expect(allowed).toHaveLength(linux.resources.devices.length - 1);
    expect(deviceAllowList({ config: CONFIG, deviceNodes }, 'runc')).toContainEqual({
      path: '/dev/char/10:200',
      permissions: 'rwm',
    });
  });

  it('that have two nodes are allowed once, with what either allows', () => {
    const [fuse] = deviceNodes;
    const both = [fuse, { ...fuse, path: '/dev/also', permissions: 'rm' }];
    const allowed = deviceAllowList({ config: CONFIG, deviceNodes: both });
    expect(allowed.filter(({ path }) => path === '/dev/char/10:229')).toEqual([
      { path: '/dev/char/10:229', permissions: 'rwm' },
    ]);
  });

  it('are all allowed to a privileged container', () => {
    expect(deviceAllowList({ config: { security: { privileged: true } }, deviceNodes })).toEqual([
      { path: 'char-*', permissions: 'rwm' },
      { path: 'block-*', permissions: 'rwm' },
    ]);
  });
});
