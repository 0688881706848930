import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NamespaceMode } from './namespaces/namespace-mode.js';
import type { NamespacePinner } from './namespaces/namespace-pinner.js';
import { SandboxNamespaces } from './namespaces/sandbox-namespaces.js';
import { newSandboxRecord } from './new-sandbox-record.js';
import { isReady, type ReadinessFacts, Sandbox } from './sandbox.js';
import { sandboxPaths } from './sandbox-paths.js';
import type { SandboxConfig, SandboxRecord } from './sandbox-record.js';

let root: string;
const unpinned: string[][] = [];
const executor: HostExecutor = {
  run: () => Promise.reject(new Error('not used')),
  start: () => Promise.reject(new Error('not used')),
  which: async () => undefined,
  hostPath: (path) => join(root, path),
};
const pinner: NamespacePinner = {
  pin: async () => undefined,
  pinOf: async () => undefined,
  unpin: async (paths) => void unpinned.push([...paths]),
  arePinned: async (paths) => paths.every((path) => path.startsWith('/run')),
  prepare: async () => undefined,
  release: async () => undefined,
};

function recordOf(changes: Partial<SandboxConfig> = {}, id = 's1'): SandboxRecord {
  const config: SandboxConfig = {
    metadata: { name: 'web', namespace: 'default', uid: 'u', attempt: 2 },
    labels: {},
    annotations: {},
    network: 'pod',
    ipc: 'pod',
    pid: 'container',
    portMappings: [],
    ...changes,
  };
  const paths = sandboxPaths({ stateDir: '/state', runDir: '/run' }, id);
  const circumstances = { id, createdAtMs: 5, bootId: 'b', nodeHostname: 'node', idMappings: [] };
  return newSandboxRecord(config, paths, circumstances);
}
const namespaces = () => new SandboxNamespaces(executor, pinner, '/run/sandboxes/s1');
const sandboxOf = (record: SandboxRecord) => new Sandbox(record, namespaces());
const kind = (expected: string) =>
  expect.toSatisfy((error: unknown) => PodwrightError.is(error, expected as never));

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'podwright-namespaces-'));
  unpinned.length = 0;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('managed namespaces', () => {
  it('have a kind and a path, and cannot be joined twice', async () => {
    const joined = namespaces();
    joined.join({ kind: 'network', path: '/run/x/net' });
    expect(joined.get('network')).toEqual({ kind: 'network', path: '/run/x/net' });
    expect(() => joined.join({ kind: 'network', path: '/run/y/net' })).toThrow(kind('already-exists'));
    expect(joined.list()).toEqual([{ kind: 'network', path: '/run/x/net' }]);
    expect(await joined.present()).toBe(true);
    joined.join({ kind: 'ipc', path: '/gone' });
    expect(await joined.present()).toBe(false);
  });

  it('are closed once and for all, and stay pinned then', () => {
    const joined = namespaces();
    joined.join({ kind: 'network', path: '/run/x/net' });
    joined.close();
    joined.close();
    expect(joined.list()).toEqual([]);
    expect(() => joined.join({ kind: 'ipc', path: '/run/x/ipc' })).toThrow(kind('closed'));
    expect(unpinned).toEqual([]);
  });

  it('are removed with the directory and the /dev/shm in it, again and again', async () => {
    mkdirSync(join(root, 'run/sandboxes/s1/ns'), { recursive: true });
    mkdirSync(join(root, 'run/sandboxes/s1/shm'));
    writeFileSync(join(root, 'run/sandboxes/s1/ns/net'), '');
    const joined = namespaces();
    await joined.remove();
    expect(unpinned).toEqual([['/run/sandboxes/s1/ns/net', '/run/sandboxes/s1/shm']]);
    await joined.remove();
    expect(unpinned[1]).toEqual([]);
    expect(() => rmSync(join(root, 'run/sandboxes/s1'))).toThrow(/ENOENT/);
  });
});

describe('a sandbox', () => {
  const infra = { pid: 77, startTimeTicks: 1 };

  it('tells where its namespaces are, and nothing of the host’s', () => {
    const sandbox = sandboxOf(recordOf({ ipc: 'node', pid: 'node' }));
    expect(sandbox.namespacePath('network')).toBe('/run/sandboxes/s1/ns/net');
    expect(sandbox.namespacePath('uts')).toBe('/run/sandboxes/s1/ns/uts');
    for (const host of ['ipc', 'pid', 'user'] as const) expect(sandbox.namespacePath(host)).toBeUndefined();
    sandbox.setInfra(infra);
    expect(sandbox.namespacePath('ipc')).toBeUndefined();
  });

  it('tells its first process’s namespaces where they are not managed', () => {
    const sandbox = sandboxOf({ ...recordOf({ pid: 'pod' }), namespaces: {} });
    expect(sandbox.namespacePath('pid')).toBeUndefined();
    sandbox.setInfra(infra);
    expect(sandbox.namespacePath('pid')).toBe('/proc/77/ns/pid');
    expect(sandbox.namespacePath('network')).toBe('/proc/77/ns/net');
  });

  it('has one first process', () => {
    const sandbox = sandboxOf(recordOf({ pid: 'pod' }));
    expect(sandbox.infra).toBeUndefined();
    sandbox.setInfra(infra);
    expect(sandbox.infra).toEqual(infra);
    expect(sandbox.record.infra).toEqual(infra);
    expect(() => sandbox.setInfra({ pid: 78, startTimeTicks: 2 })).toThrow(kind('already-exists'));
    sandbox.removeInfra();
    sandbox.removeInfra();
    expect(sandbox.infra).toBeUndefined();
    sandbox.setInfra({ pid: 78, startTimeTicks: 2 });
  });

  it('knows its containers, and which one another may join', () => {
    const sandbox = sandboxOf(recordOf());
    const { Container, Pod, Target, Node } = NamespaceMode;
    const main = { id: 'c1', name: 'main', attempt: 0, createdAtMs: 1, created: true, pid: Container };
    sandbox.containers.add(main);
    const options = { network: Pod, ipc: Pod, user: Node, pid: Target, targetId: 'c1' } as const;
    expect(sandbox.target(options)).toBe(main);
    sandbox.containers.delete('c1');
    expect(() => sandbox.target(options)).toThrow(kind('not-found'));
  });

  it('keeps its own record only', () => {
    const sandbox = sandboxOf(recordOf());
    expect(() => {
      sandbox.record = recordOf({}, 's2');
    }).toThrow(kind('invalid-argument'));
  });
});

describe('isReady', () => {
  const READY: ReadinessFacts = {
    created: true,
    stopping: false,
    namespacesPresent: true,
    infraRunning: undefined,
  };
  it.each<[string, Partial<ReadinessFacts>, boolean]>([
    ['one without a first process', {}, true],
    ['one with a first process', { infraRunning: true }, true],
    ['one whose first process has ended', { infraRunning: false }, false],
    ['one that is being made', { created: false }, false],
    ['one whose end was asked for', { stopping: true }, false],
    ['one whose namespaces are gone', { namespacesPresent: false }, false],
  ])('%s', (_what, facts, expected) => expect(isReady({ ...READY, ...facts })).toBe(expected));
});
