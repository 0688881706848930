import { mkdir, mkdtemp, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PodwrightError, silentLogger } from '@podwright/core';
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

  it('is content in the network of the host, with a root that takes its mounts', async () => {
    await setHostNetwork(await readlink('/proc/self/ns/net'));
    const checked: string[] = [];
    await checkAgentContainer(executor, async (hostRoot) => void checked.push(hostRoot));
    expect(checked).toEqual([join(root, '/')]);
    const refusal = new PodwrightError('missing-requirement', 'It is private.');
    await expect(checkAgentContainer(executor, () => Promise.reject(refusal))).rejects.toBe(refusal);
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
