import { join } from 'node:path';
import { type ContainerConfig, PodwrightError } from '@podwright/core';
import type { HostExecutor, HostResult, RunCommand } from '@podwright/nsenter';
import type { SandboxRecord } from '@podwright/sandbox';
import type { ContainerRecord } from './container-record.js';

export const CONTAINER_ID = 'c'.repeat(64);

export function containerConfig(fields: Partial<ContainerConfig> = {}): ContainerConfig {
  return {
    metadata: { name: 'main', attempt: 0 },
    image: 'busybox',
    env: [],
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    resources: {},
    security: {},
    restart: { by: 'caller' },
    terminationGraceMs: 10_000,
    ...fields,
  };
}

export function containerRecord(fields: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: CONTAINER_ID,
    sandboxId: 'sandbox',
    podUid: '1',
    createdAtMs: 1000,
    imageId: 'sha256:1',
    slice: 'podwright-pod1.slice',
    deviceAllow: [{ path: '/dev/null', permissions: 'rwm' }],
    stopSignal: 'TERM',
    config: containerConfig(),
    ...fields,
  };
}

export function sandboxRecord(fields: Partial<SandboxRecord> = {}): SandboxRecord {
  return {
    version: 2,
    id: 'sandbox',
    name: 'k8s_web_default_1_0',
    kubeName: 'web',
    namespace: 'default',
    metadata: { name: 'web', namespace: 'default', uid: '1', attempt: 0 },
    labels: {},
    annotations: {},
    createdAtMs: 500,
    bootId: 'boot',
    hostname: 'web',
    hostAliases: [],
    network: 'pod',
    hostNetwork: false,
    privileged: false,
    persist: false,
    networks: [],
    dnsPolicy: 'Default',
    stopping: false,
    ipc: 'pod',
    pid: 'container',
    namespaces: { network: '/ns/net', ipc: '/ns/ipc', uts: '/ns/uts' },
    sysctls: { 'net.core.somaxconn': '1' },
    userNamespace: 'node',
    idMappings: [],
    ips: [],
    portMappings: [],
    cni: [],
    files: { hosts: '/f/hosts', resolvConf: '/f/resolv.conf', hostname: '/f/hostname', shm: '/f/shm' },
    created: true,
    networkStopped: false,
    stopped: false,
    ...fields,
  };
}

/** The error of something that has to fail. */
export async function errorOf(action: () => unknown): Promise<PodwrightError> {
  try {
    await action();
  } catch (error) {
    if (PodwrightError.is(error)) return error;
    throw error;
  }
  throw new Error('It did not fail.');
}

export interface FakeHost extends HostExecutor {
  /** Commands that ran, each in one line. */
  readonly commands: string[];
}

/** A host whose files lie below a directory, and whose commands do what the test says. */
export function fakeHost({
  root = '',
  run = () => ({}),
}: {
  readonly root?: string;
  readonly run?: (command: RunCommand) => Partial<HostResult> | Promise<Partial<HostResult>>;
} = {}): FakeHost {
  const commands: string[] = [];
  return {
    commands,
    run: async (command) => {
      commands.push([command.command, ...command.args].join(' '));
      return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0, ...(await run(command)) };
    },
    start: () => Promise.reject(new Error('This host starts nothing.')),
    which: async (name) => `/usr/bin/${name}`,
    hostPath: (path) => (root === '' ? path : join(root, path)),
  };
}
