import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import {
  findTarget,
  NamespaceMode,
  type NamespaceOptions,
  type TargetCandidate,
  toNamespaceOptions,
  toSandboxModes,
} from './namespace-mode.js';

const { Pod, Container, Node, Target } = NamespaceMode;
const options = (changes: Partial<NamespaceOptions>): NamespaceOptions => ({
  network: Pod,
  pid: Container,
  ipc: Pod,
  user: Node,
  ...changes,
});
const hasKind = (kind: string) => (error: unknown) => PodwrightError.is(error, kind as never);

describe('NamespaceMode', () => {
  it('has the numbers of the CRI', () => {
    expect(NamespaceMode).toEqual({ Pod: 0, Container: 1, Node: 2, Target: 3 });
  });
});

describe('a sandbox’s modes', () => {
  it.each([
    [
      { network: 'pod', ipc: 'pod', pid: 'container' },
      { network: 0, ipc: 0, pid: 1, user: 2 },
    ],
    [
      { network: 'node', ipc: 'node', pid: 'node', userNamespace: 'node' },
      { network: 2, ipc: 2, pid: 2, user: 2 },
    ],
    [
      { network: 'pod', ipc: 'pod', pid: 'pod', userNamespace: 'pod' },
      { network: 0, ipc: 0, pid: 0, user: 0 },
    ],
  ] as const)('%j is %j, and back', (modes, numbers) => {
    expect(toNamespaceOptions(modes)).toEqual(numbers);
    expect(toSandboxModes(numbers)).toEqual({ userNamespace: 'node', ...modes });
  });

  it.each<[string, Partial<NamespaceOptions>]>([
    ['network', { network: Container }],
    ['ipc', { ipc: Target }],
    ['user', { user: Container }],
    ['pid', { pid: Target, targetId: 'c1' }],
  ])('refuses what only a container has for %s', (_what, changes) => {
    let thrown: unknown;
    try {
      toSandboxModes(options(changes));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toSatisfy(hasKind('invalid-argument'));
  });
});

describe('findTarget', () => {
  const containers: readonly TargetCandidate[] = [
    { id: 'own', created: true, pid: Container },
    { id: 'shared', created: true, pid: Pod },
    { id: 'coming', created: false, pid: Container },
  ];
  const find = (id: string) => containers.find((container) => container.id === id);

  it('finds the one container that is asked for', () => {
    expect(findTarget(options({ pid: Target, targetId: 'own' }), find)?.id).toBe('own');
    expect(findTarget(options({}), find)).toBeUndefined();
  });

  it.each<[string, Partial<NamespaceOptions>, string]>([
    ['no target', { pid: Target }, 'invalid-argument'],
    ['an empty target', { pid: Target, targetId: '' }, 'invalid-argument'],
    ['a target without the mode', { pid: Pod, targetId: 'own' }, 'invalid-argument'],
    ['a target for the network', { network: Target, targetId: 'own' }, 'invalid-argument'],
    ['a target for IPC', { ipc: Target, targetId: 'own' }, 'invalid-argument'],
    ['a target for users', { user: Target, targetId: 'own' }, 'invalid-argument'],
    ['a container of another pod', { pid: Target, targetId: 'other' }, 'not-found'],
    ['one that is not created yet', { pid: Target, targetId: 'coming' }, 'failed-precondition'],
    ['one without a namespace of its own', { pid: Target, targetId: 'shared' }, 'failed-precondition'],
  ])('refuses %s', (_what, changes, kind) => {
    expect(() => findTarget(options(changes), find)).toThrow(expect.toSatisfy(hasKind(kind)));
  });
});
