import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerPhase, Logger } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import type { ExecHandler } from '@podwright/oci';
import type { SystemdManager } from '@podwright/systemd';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CgroupLock } from './cgroup-lock.js';
import { ContainerExec } from './container-exec.js';
import type { ContainerStatuses } from './container-statuses.js';
import type { ContainerStore } from './container-store.js';
import { HostLayout } from './host-layout.js';
import type { HostTools } from './host-tools.js';
import { CONTAINER_ID, containerRecord } from './testing.spec-helper.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'container-exec-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** No file of the container is there any more; its state is told as these, one after the other. */
function execOf(...states: ContainerPhase[]): ContainerExec {
  const unused = <T>() => ({}) as unknown as T;
  return new ContainerExec(
    { ...unused<HostExecutor>(), hostPath: (path: string) => path },
    new HostLayout(join(directory, 'state'), join(directory, 'run')),
    unused<HostTools>(),
    { require: () => containerRecord() } as unknown as ContainerStore,
    { of: async () => ({ state: states.shift() ?? 'exited' }) } as unknown as ContainerStatuses,
    unused<SystemdManager>(),
    { warm: () => undefined } as unknown as CgroupLock,
    unused<ExecHandler>(),
    unused<Logger>(),
  );
}

it.each([
  { what: 'that has ended', states: ['exited'] },
  { what: 'that ends while the command is started', states: ['running', 'exited'] },
] as const)('a container $what is told as that', async ({ states }) => {
  await expect(execOf(...states).exec(CONTAINER_ID, { command: ['true'] })).rejects.toMatchObject({
    kind: 'failed-precondition',
    message: expect.stringContaining('it is exited'),
  });
});

it('what is wrong with a container that runs on is told as it is', async () => {
  await expect(execOf('running', 'running').exec(CONTAINER_ID, { command: ['true'] })).rejects.toMatchObject({
    code: 'ENOENT',
  });
});
