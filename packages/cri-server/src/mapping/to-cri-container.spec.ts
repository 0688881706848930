import type { ContainerStatus, Image } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { toNanoseconds } from './nanoseconds.js';
import { toCriContainer, toCriContainerStatus } from './to-cri-container.js';
import { toCriSandboxStatus } from './to-cri-sandbox.js';

const { ContainerState, NamespaceMode, PodSandboxState } = cri;

const STATUS: ContainerStatus = {
  id: 'id-1',
  sandboxId: 'sandbox-1',
  podUid: 'uid-1',
  metadata: { name: 'app', attempt: 3 },
  state: 'running',
  createdAtMs: 1000,
  image: 'img:1',
  imageId: 'sha256:abc',
  labels: { a: 'b' },
  annotations: {},
  mounts: [],
  resources: {},
  attempts: [{ attempt: 0, startedAtMs: 2000 }],
};
const IMAGE: Image = {
  id: 'sha256:abc',
  repoTags: ['docker.io/library/img:1'],
  repoDigests: ['docker.io/library/img@sha256:def'],
  sizeBytes: 1,
  labels: {},
};

describe('toNanoseconds', () => {
  it('is exact for today, with fractions', () => {
    expect(toNanoseconds(1_800_000_000_123)).toBe(1_800_000_000_123_000_000n);
    expect(toNanoseconds(1.5)).toBe(1_500_000n);
  });
});

describe('toCriContainerStatus', () => {
  const ended = { attempt: 0, startedAtMs: 2000, finishedAtMs: 3000 };
  it.each<[string, Partial<ContainerStatus>, object]>([
    [
      'created',
      { state: 'created', attempts: [] },
      { state: ContainerState.CONTAINER_CREATED, startedAt: 0n },
    ],
    ['running', {}, { state: ContainerState.CONTAINER_RUNNING, startedAt: 2_000_000_000n }],
    [
      'ended well',
      { state: 'exited', attempts: [{ ...ended, exitCode: 0, reason: 'Completed' }] },
      {
        state: ContainerState.CONTAINER_EXITED,
        exitCode: 0,
        reason: 'Completed',
        finishedAt: 3_000_000_000n,
      },
    ],
    [
      'ended badly, with its last words',
      { state: 'exited', attempts: [{ ...ended, exitCode: 3, reason: 'Error', message: 'why' }] },
      { exitCode: 3, reason: 'Error', message: 'why', startedAt: 2_000_000_000n },
    ],
    [
      'killed for its memory',
      { state: 'exited', attempts: [{ ...ended, exitCode: 137, signal: 9, reason: 'OOMKilled' }] },
      { exitCode: 137, reason: 'OOMKilled' },
    ],
    [
      'ended in a way that nobody saw: no success',
      { state: 'exited', attempts: [{ attempt: 0, startedAtMs: 2000 }] },
      { exitCode: 255, reason: 'Error', finishedAt: 2_000_000_000n },
    ],
    [
      'never started: no success either',
      { state: 'exited', attempts: [], reason: 'CreateContainerError', message: 'm' },
      { exitCode: 255, reason: 'CreateContainerError', message: 'm', finishedAt: 1_000_000_000n },
    ],
    [
      'waiting for its backend',
      { state: 'waiting', attempts: [{ ...ended, exitCode: 1 }] },
      { state: ContainerState.CONTAINER_EXITED },
    ],
    ['unknown', { state: 'unknown', attempts: [] }, { state: ContainerState.CONTAINER_UNKNOWN }],
  ])('%s', (_name, status, expected) => {
    expect(toCriContainerStatus({ ...STATUS, ...status })).toMatchObject(expected);
  });

  it.each<[string, string, Image | undefined, object]>([
    [
      'named',
      'img:1',
      IMAGE,
      { image: { image: 'img:1' }, imageRef: IMAGE.repoDigests[0], imageId: IMAGE.id },
    ],
    [
      'by its id',
      IMAGE.id,
      IMAGE,
      { image: { image: 'docker.io/library/img:1' }, imageRef: IMAGE.repoDigests[0] },
    ],
    ['by its id without a prefix', 'abc', IMAGE, { image: { image: 'docker.io/library/img:1' } }],
    [
      'without names',
      IMAGE.id,
      { ...IMAGE, repoTags: [], repoDigests: [] },
      { image: { image: IMAGE.id }, imageRef: IMAGE.id },
    ],
    ['gone', 'img:1', undefined, { image: { image: 'img:1' }, imageRef: IMAGE.id, imageId: IMAGE.id }],
  ])('its image: %s', (_name, image, known, expected) => {
    expect(toCriContainerStatus({ ...STATUS, image }, known)).toMatchObject(expected);
  });

  it('tells users, mounts, limits and the log file', () => {
    const status: ContainerStatus = {
      ...STATUS,
      user: { uid: 1, gid: 2, supplementalGroups: [3] },
      mounts: [{ hostPath: '/h', containerPath: '/c', readOnly: true, propagation: 'bidirectional' }],
      resources: { memoryLimitBytes: 5 },
      logPath: '/l',
    };
    expect(toCriContainerStatus(status)).toMatchObject({
      user: { linux: { uid: 1n, gid: 2n, supplementalGroups: [3n] } },
      mounts: [{ hostPath: '/h', containerPath: '/c', readonly: true, propagation: 2 }],
      resources: { linux: { memoryLimitInBytes: 5n } },
      logPath: '/l',
    });
  });
});

describe('toCriContainer', () => {
  it('has the id of the image for the image collector of a kubelet', () => {
    expect(toCriContainer(STATUS)).toMatchObject({
      imageRef: IMAGE.id,
      imageId: IMAGE.id,
      image: { image: 'img:1' },
    });
  });
});

describe('toCriSandboxStatus', () => {
  const sandbox = {
    id: 'sandbox-1',
    metadata: { name: 'web', namespace: 'default', uid: 'uid-1', attempt: 0 },
    state: 'ready',
    createdAtMs: 1000,
    ips: ['10.0.0.1', 'fd00::1'],
    network: 'pod',
    ipc: 'node',
    pid: 'container',
    labels: {},
    annotations: {},
  } as const;

  it('tells addresses and namespaces', () => {
    expect(
      toCriSandboxStatus({ ...sandbox, idMappings: [{ containerId: 0, hostId: 7, size: 9 }] }),
    ).toMatchObject({
      state: PodSandboxState.SANDBOX_READY,
      createdAt: 1_000_000_000n,
      network: { ip: '10.0.0.1', additionalIps: [{ ip: 'fd00::1' }] },
      linux: {
        namespaces: {
          options: {
            network: NamespaceMode.POD,
            ipc: NamespaceMode.NODE,
            pid: NamespaceMode.CONTAINER,
            usernsOptions: { mode: NamespaceMode.POD, uids: [{ containerId: 0, hostId: 7, length: 9 }] },
          },
        },
      },
    });
  });

  it.each([
    ["with the node's network", { network: 'node' }],
    ['when it is stopped', { state: 'not-ready' }],
  ] as const)('tells no address %s', (_name, change) => {
    expect(toCriSandboxStatus({ ...sandbox, ...change }).network).toEqual({ ip: '', additionalIps: [] });
  });
});
