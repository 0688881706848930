import { readdir, realpath, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { type Device, PodwrightError } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import { checkDevice, type DeviceNode } from './devices.js';

/** What a privileged container does not get of the host's /dev: those are mounts of its own. */
const NOT_PRIVILEGED = new Set(['pts', 'shm', 'fd', 'mqueue', 'console']);

/**
 * Looks the given devices up on the host. A directory stands for all device nodes below it, as in Docker.
 * @throws PodwrightError kind `invalid-argument` (permissions, relative path, not a device), `not-found`
 */
export async function readDeviceNodes(
  executor: HostExecutor,
  devices: readonly Device[],
): Promise<readonly DeviceNode[]> {
  const nodes: DeviceNode[] = [];
  for (const device of devices) {
    checkDevice(device);
    const found = await nodesBelow(executor, device);
    if (found.length === 0) {
      throw new PodwrightError(
        'invalid-argument',
        `${device.hostPath} on the host is neither a device node nor a directory with some: a container can be given devices only.`,
        { details: { path: device.hostPath } },
      );
    }
    nodes.push(...found);
  }
  return nodes;
}

/** All device nodes of the host's /dev, with all permissions: what a privileged container gets. */
export async function readAllDeviceNodes(executor: HostExecutor): Promise<readonly DeviceNode[]> {
  const nodes: DeviceNode[] = [];
  for (const name of await readdir(executor.hostPath('/dev'))) {
    if (NOT_PRIVILEGED.has(name)) continue;
    const path = `/dev/${name}`;
    try {
      nodes.push(
        ...(await nodesBelow(executor, { hostPath: path, containerPath: path, permissions: 'rwm' })),
      );
    } catch (error) {
      // A device may be unplugged, and a link may be dangling, while the directory is read.
      if (!PodwrightError.is(error, 'not-found')) throw error;
    }
  }
  return nodes;
}

async function nodesBelow(executor: HostExecutor, device: Device): Promise<readonly DeviceNode[]> {
  const path = executor.hostPath(device.hostPath);
  const stats = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw new PodwrightError('not-found', `The host has no device ${device.hostPath}.`, {
      cause: error,
      details: { path: device.hostPath },
    });
  });
  if (stats.isDirectory()) {
    const lists: DeviceNode[] = [];
    for (const name of await readdir(await realpath(path))) {
      const inner = (base: string) => posix.join(base, name);
      const child = {
        ...device,
        hostPath: inner(device.hostPath),
        containerPath: inner(device.containerPath),
      };
      lists.push(...(await nodesBelow(executor, child)));
    }
    return lists;
  }
  const type = stats.isCharacterDevice() ? 'c' : stats.isBlockDevice() ? 'b' : undefined;
  if (type === undefined) return [];
  return [
    {
      path: posix.normalize(device.containerPath),
      type,
      ...deviceNumbers(stats.rdev),
      fileMode: Number(stats.mode & 0o7777n),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      permissions: device.permissions,
    },
  ];
}

/** Takes a `dev_t` apart as glibc's gnu_dev_major and gnu_dev_minor do. */
export function deviceNumbers(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
  };
}
