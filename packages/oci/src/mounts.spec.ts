import type { Mount } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { containerMounts, type MountSettings, rootfsPropagation } from './mounts.js';

const mounts = (volumes: readonly Mount[], settings: Partial<MountSettings> = {}) =>
  containerMounts({
    volumes,
    sandbox: {},
    hostIpc: false,
    privileged: false,
    readOnlyRoot: false,
    idMappings: [],
    ...settings,
  });
const at = (path: string, volumes: readonly Mount[], settings: Partial<MountSettings> = {}) =>
  mounts(volumes, settings).filter(({ destination }) => destination === path);

describe('containerMounts', () => {
  it('has the kernel’s file systems, guarded and read-only', () => {
    expect(mounts([]).map(({ destination }) => destination)).toEqual([
      '/proc',
      '/dev',
      '/sys',
      '/dev/pts',
      '/dev/mqueue',
      '/dev/shm',
      '/sys/fs/cgroup',
    ]);
    expect(at('/sys', [])[0]?.options).toEqual(['nosuid', 'noexec', 'nodev', 'ro']);
    expect(at('/sys/fs/cgroup', [])[0]?.options).toContain('ro');
    expect(at('/dev/shm', [])[0]).toMatchObject({
      type: 'tmpfs',
      options: expect.arrayContaining(['size=67108864']),
    });
  });

  it('shows the sandbox’s files', () => {
    const sandbox = {
      shmPath: '/s/shm',
      hostsPath: '/s/hosts',
      resolvConfPath: '/s/r',
      hostnamePath: '/s/h',
    };
    expect(at('/dev/shm', [], { sandbox })[0]).toMatchObject({ type: 'bind', source: '/s/shm' });
    expect(at('/etc/hosts', [], { sandbox })[0]).toMatchObject({
      source: '/s/hosts',
      options: ['rbind', 'rprivate', 'rw'],
    });
    expect(at('/etc/resolv.conf', [], { sandbox })[0]?.source).toBe('/s/r');
    expect(at('/etc/hostname', [], { sandbox, readOnlyRoot: true })[0]?.options).toContain('ro');
  });

  it('in a user namespace of the pod’s, shows the sandbox’s files and what is idmapped with its ids', () => {
    const sandbox = { shmPath: '/s/shm', hostsPath: '/s/hosts' };
    const idMappings = [{ containerId: 0, hostId: 100_000, size: 65_536 }];
    const idmap = 'idmap=uids=0-100000-65536;gids=0-100000-65536';
    const options = (path: string, volume = {}) =>
      at(path, [{ hostPath: '/h', containerPath: '/data', ...volume }], { sandbox, idMappings })[0]?.options;
    expect(options('/etc/hosts')).toContain(idmap);
    expect(options('/data', { idMapped: true })).toContain(idmap);
    expect(options('/data')).not.toContain(idmap);
    // Its pinner makes it with the pod's ids.
    expect(options('/dev/shm')).not.toContain(idmap);
  });

  it.each([
    [{}, ['rbind', 'rprivate', 'rw']],
    [{ readOnly: true }, ['rbind', 'rprivate', 'ro']],
    [{ propagation: 'private' }, ['rbind', 'rprivate', 'rw']],
    [{ propagation: 'host-to-container', readOnly: true }, ['rbind', 'rslave', 'ro']],
    [{ propagation: 'bidirectional' }, ['rbind', 'rshared', 'rw']],
  ] as const)('binds a volume of %j with %j', (volume, options) => {
    expect(at('/data', [{ hostPath: '/h', containerPath: '/data', ...volume }])).toEqual([
      { destination: '/data', type: 'bind', source: '/h', options },
    ]);
  });

  it('puts parents before children, in the manifest’s order within a depth', () => {
    const volumes = ['/b/c/d', '/b', '/dev/shm/x', '/a/', '/b/./c'].map((containerPath) => ({
      hostPath: '/h',
      containerPath,
    }));
    const order = mounts(volumes).map(({ destination }) => destination);
    expect(order.filter((path) => /^\/[ab]|x$/.test(path))).toEqual([
      '/b',
      '/a',
      '/b/c',
      '/b/c/d',
      '/dev/shm/x',
    ]);
    expect(order.indexOf('/dev/shm')).toBeLessThan(order.indexOf('/dev/shm/x'));
  });

  it('lets a volume take the place of a default mount', () => {
    const volume = { hostPath: '/h', containerPath: '/dev/shm' };
    expect(at('/dev/shm', [volume])).toHaveLength(1);
    expect(at('/dev/shm', [volume])[0]?.source).toBe('/h');
  });

  it.each([
    ['/h', 'data', 'has to begin with "/"'],
    ['/h', '/', 'the root file system is the image'],
    ['/h', '/x/..', 'the root file system is the image'],
    ['/h', '/proc', '/proc shows'],
    ['/h', '/x/../proc/self', '/proc shows'],
    ['h', '/data', 'host path "h"'],
    ['/h', '/a\0', 'NUL'],
  ])('refuses %s at %j', (hostPath, containerPath, said) => {
    expect(() => mounts([{ hostPath, containerPath }])).toThrow(said);
  });

  it('refuses two volumes at one path, and takes single files of /proc', () => {
    const volume = { hostPath: '/h', containerPath: '/data' };
    expect(() => mounts([volume, { ...volume, containerPath: '/x/../data/' }])).toThrow('/data');
    expect(at('/proc/meminfo', [{ hostPath: '/h', containerPath: '/proc/meminfo' }])).toHaveLength(1);
  });

  it('refuses a recursively read-only volume that is not read-only', () => {
    const volume = { hostPath: '/a', containerPath: '/data', recursiveReadOnly: true };
    expect(() => mounts([volume])).toThrow(/\/data.*needs readOnly/);
    expect(() => mounts([{ ...volume, readOnly: true }])).not.toThrow();
  });
});

describe('rootfsPropagation', () => {
  const volume = (propagation?: Mount['propagation']): Mount => ({
    hostPath: '/h',
    containerPath: '/c',
    ...(propagation !== undefined && { propagation }),
  });
  it.each([
    [[], undefined],
    [[volume(), volume('private')], undefined],
    [[volume(), volume('host-to-container')], 'rslave'],
    [[volume('bidirectional'), volume('host-to-container')], 'rshared'],
  ])('%#', (volumes, expected) => {
    expect(rootfsPropagation(volumes)).toBe(expected);
  });
});
