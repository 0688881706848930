import { create, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import type { PidMode } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { toContainerConfig } from './to-container-config.js';

// Without whole messages, which are not to be spread into another.
type Init = Exclude<MessageInitShape<typeof cri.ContainerConfigSchema>, Message>;

const { MountPropagation, NamespaceMode, Signal } = cri;
const BARE: Init = { metadata: { name: 'app', attempt: 1 }, image: { image: 'img' } };
const convert = (init: Init, { logDirectory = '/logs', sandboxPid = 'container' as PidMode } = {}) =>
  toContainerConfig(create(cri.ContainerConfigSchema, { ...BARE, ...init }), { logDirectory, sandboxPid });
const pid = (mode: cri.NamespaceMode, targetId = ''): Init => ({
  linux: { securityContext: { namespaceOptions: { pid: mode, targetId } } },
});
const mount = (init: Exclude<MessageInitShape<typeof cri.MountSchema>, Message>): Init => ({
  mounts: [{ hostPath: '/h', containerPath: '/c', ...init }],
});
const MOUNT = {
  hostPath: '/h',
  containerPath: '/c',
  readOnly: false,
  propagation: 'private',
  createHostPath: true,
};
/** A value that no enum of the interface has; a newer client may send one. */
const UNKNOWN: number = 99;
const MAPPING = { containerId: 0, hostId: 100_000, length: 65_536 };

describe('toContainerConfig', () => {
  it.each<[string, Init, object]>([
    ['nothing but a name and an image', {}, {}],
    [
      'what runs',
      { command: ['a'], args: ['b'], workingDir: '/w' },
      { command: ['a'], args: ['b'], workingDir: '/w' },
    ],
    [
      'variables',
      { envs: [{ key: 'A', value: Buffer.from('é=\n') }] },
      { env: [{ name: 'A', value: 'é=\n' }] },
    ],
    [
      'labels',
      { labels: { a: 'b' }, annotations: { c: 'd' } },
      { labels: { a: 'b' }, annotations: { c: 'd' } },
    ],
    ['a terminal', { stdin: true, stdinOnce: true, tty: true }, { stdin: true, stdinOnce: true, tty: true }],
    ['a log file', { logPath: 'app/0.log' }, { logPath: '/logs/app/0.log' }],
    ['a stop signal', { stopSignal: Signal.SIGUSR1 }, { stopSignal: 'SIGUSR1' }],
    ['a real-time signal', { stopSignal: Signal.SIGRTMINPLUS3 }, { stopSignal: 'SIGRTMIN+3' }],
    ['one from the end', { stopSignal: Signal.SIGRTMAXMINUS1 }, { stopSignal: 'SIGRTMAX-1' }],
    [
      'a device with all permissions',
      { devices: [{ hostPath: '/dev/fuse' }] },
      { devices: [{ hostPath: '/dev/fuse', containerPath: '/dev/fuse', permissions: 'rwm' }] },
    ],
    ['a mount', mount({ selinuxRelabel: true }), { mounts: [MOUNT] }],
    [
      'a mount from the host',
      mount({ propagation: MountPropagation.PROPAGATION_HOST_TO_CONTAINER }),
      { mounts: [{ ...MOUNT, propagation: 'host-to-container' }] },
    ],
    [
      'a mount to the host',
      mount({ propagation: MountPropagation.PROPAGATION_BIDIRECTIONAL }),
      { mounts: [{ ...MOUNT, propagation: 'bidirectional' }] },
    ],
    [
      'a read-only mount',
      mount({ readonly: true, recursiveReadOnly: true }),
      { mounts: [{ ...MOUNT, readOnly: true, recursiveReadOnly: true }] },
    ],
    [
      'a mount with mapped ids',
      mount({ uidMappings: [MAPPING], gidMappings: [MAPPING] }),
      { mounts: [{ ...MOUNT, idMapped: true }] },
    ],
    [
      'limits',
      { linux: { resources: { memoryLimitInBytes: 5n } } },
      { resources: { memoryLimitBytes: 5, oomScoreAdj: 0 } },
    ],
  ])('%s', (_name, init, expected) => {
    const { security, ...config } = convert(init);
    expect(config).toEqual({
      metadata: { name: 'app', attempt: 1 },
      image: 'img',
      env: [],
      mounts: [],
      devices: [],
      labels: {},
      annotations: {},
      resources: {},
      restart: { by: 'caller' },
      stdin: false,
      stdinOnce: false,
      tty: false,
      terminationGraceMs: 30_000,
      ...expected,
    });
    expect(security).toEqual({ seccomp: { type: 'Unconfined' } });
  });

  it('refuses a log file with a NUL in its name', () => {
    const logPath = 'a\0.log';
    expect(() => convert({ logPath })).toThrow(expect.objectContaining({ kind: 'invalid-argument' }));
  });

  it('lets a log file lie beside the directory of the sandbox', () => {
    expect(convert({ logPath: '../a.log' }, { logDirectory: '/logs/pod' })).toHaveProperty(
      'logPath',
      '/logs/a.log',
    );
  });

  it('has no log file without a directory', () => {
    expect(convert({ logPath: 'a.log' }, { logDirectory: '' })).not.toHaveProperty('logPath');
  });

  it.each<[string, Init, PidMode, object]>([
    ["without a word the sandbox's", {}, 'pod', {}],
    ["the pod's in such a sandbox", pid(NamespaceMode.POD), 'pod', {}],
    ["the node's, where the sandbox has that", pid(NamespaceMode.POD), 'node', {}],
    ["the pod's in a sandbox that has none", pid(NamespaceMode.POD), 'container', { pid: 'pod' }],
    ['its own', pid(NamespaceMode.CONTAINER), 'container', {}],
    ['its own in a sandbox with another', pid(NamespaceMode.CONTAINER), 'pod', { pid: 'container' }],
    ["the node's", pid(NamespaceMode.NODE), 'pod', { pid: 'node' }],
    ["another container's", pid(NamespaceMode.TARGET, 'id-1'), 'pod', { pidTarget: 'id-1' }],
  ])('PID namespace: %s', (_name, init, sandboxPid, expected) => {
    const { pid: mode, pidTarget } = convert(init, { sandboxPid });
    expect({ ...(mode && { pid: mode }), ...(pidTarget && { pidTarget }) }).toEqual(expected);
  });

  it.each<[string, Init, string]>([
    ['a missing name', { metadata: { name: '' } }, 'invalid-argument'],
    ['a missing image', { image: {} }, 'invalid-argument'],
    ['Windows', { windows: {} }, 'unsupported'],
    ['CDI devices', { CDIDevices: [{ name: 'vendor/a=b' }] }, 'unsupported'],
    [
      'a variable that is no text',
      { envs: [{ key: 'A', value: new Uint8Array([0xff]) }] },
      'invalid-argument',
    ],
    ['a target without an id', pid(NamespaceMode.TARGET), 'invalid-argument'],
    ['a device without a path', { devices: [{}] }, 'invalid-argument'],
    ['an unknown signal', { stopSignal: UNKNOWN }, 'invalid-argument'],
    ['a mount of nothing', mount({ hostPath: '' }), 'invalid-argument'],
    ['a mount to nowhere', mount({ containerPath: '' }), 'invalid-argument'],
    ['a mount of an image', mount({ image: { image: 'x' } }), 'unsupported'],
    ['mount options', mount({ mountOptions: ['noexec'] }), 'unsupported'],
    ['a writable recursive mount', mount({ recursiveReadOnly: true }), 'invalid-argument'],
    [
      'a recursive mount with propagation',
      mount({
        readonly: true,
        recursiveReadOnly: true,
        propagation: MountPropagation.PROPAGATION_BIDIRECTIONAL,
      }),
      'invalid-argument',
    ],
    ['an unknown propagation', mount({ propagation: UNKNOWN }), 'invalid-argument'],
    ['groups that are mapped otherwise', mount({ uidMappings: [MAPPING] }), 'unsupported'],
  ])('refuses %s', (_name, init, kind) => {
    expect(() => convert(init)).toThrow(expect.objectContaining({ kind }));
  });
});
