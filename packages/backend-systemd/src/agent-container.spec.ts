import { mkdir, mkdtemp, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { silentLogger } from '@podwright/core';
import { type HostExecutor, LocalHostExecutor } from '@podwright/nsenter';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkAgentContainer, hostBusAddress } from './agent-container.js';

describe('hostBusAddress', () => {
  it.each([
    ['/rootfs', 'unix:path=/rootfs/run/dbus/system_bus_socket'],
    ['/', 'unix:path=/run/dbus/system_bus_socket'],
    ['/ü;a,b', 'unix:path=/%c3%bc%3ba%2cb/run/dbus/system_bus_socket'],
  ])('below %s is %s', (hostRoot, address) => expect(hostBusAddress(hostRoot)).toBe(address));
});

describe('checkAgentContainer', () => {
  let root: string;
  let executor: HostExecutor;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'agent-container-'));
    const local = new LocalHostExecutor(silentLogger, {});
    executor = Object.assign(Object.create(local), { hostPath: (path: string) => join(root, path) });
  });
  afterEach(() => rm(root, { recursive: true }));

  const setHostNetwork = async (target: string) => {
    const path = join(root, 'proc/1/ns/net');
    await mkdir(dirname(path), { recursive: true });
    await symlink(target, path);
  };

  it('is content in the network of the host', async () => {
    await setHostNetwork(await readlink('/proc/self/ns/net'));
    await checkAgentContainer(executor);
  });

  it('names what the pod of the agent lacks', async () => {
    const check = () => checkAgentContainer(executor);
    await expect(check()).rejects.toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringContaining('hostPID: true'),
    });
    await setHostNetwork('net:[1]');
    await expect(check()).rejects.toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringContaining('hostNetwork: true'),
    });
  });
});
