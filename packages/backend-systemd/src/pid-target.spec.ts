import type { PidMode } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { checkJoinable } from './pid-target.js';
import { containerConfig, containerRecord, errorOf } from './testing.spec-helper.js';

const sandboxOf = (pid: PidMode) => ({ id: 'here', network: 'pod', ipc: 'pod', pid }) as const;

describe('the processes of a container', () => {
  it.each<[string, PidMode, Parameters<typeof containerConfig>[0]]>([
    ['of a pod in which each has its own', 'container', {}],
    ['that asked for its own', 'pod', { pid: 'container' }],
  ])('%s can be joined', (_what, pid, config) => {
    const record = { ...containerRecord(), sandboxId: 'here', config: containerConfig(config) };
    checkJoinable(record, sandboxOf(pid));
  });

  it.each<[string, PidMode, Parameters<typeof containerConfig>[0], string, string]>([
    ['another pod', 'container', {}, 'there', 'invalid-argument'],
    ['a pod that shares them', 'pod', {}, 'here', 'failed-precondition'],
    ['a pod that sees those of the node', 'node', {}, 'here', 'failed-precondition'],
    ['one that sees those of the node', 'container', { pid: 'node' }, 'here', 'failed-precondition'],
    ['one that has joined another', 'container', { pidTarget: 'c0' }, 'here', 'failed-precondition'],
  ])('of %s cannot', async (_what, pid, config, sandboxId, kind) => {
    const record = { ...containerRecord(), sandboxId, config: containerConfig(config) };
    const error = await errorOf(() => checkJoinable(record, sandboxOf(pid)));
    expect(error.kind).toBe(kind);
  });
});
