import { symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@podwright/core';
import { LocalHostExecutor } from '@podwright/nsenter';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviceNumbers, readAllDeviceNodes, readDeviceNodes } from './read-device-nodes.js';

const executor = new LocalHostExecutor(silentLogger, {});
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'podwright-devices-'));
  symlinkSync('/dev/zero', join(directory, 'link'));
});
afterAll(() => rm(directory, { recursive: true }));

const device = (hostPath: string, containerPath: string, permissions = 'rw') => ({
  hostPath,
  containerPath,
  permissions,
});

describe('readDeviceNodes', () => {
  it('finds what a node is, through links and in directories', async () => {
    const devices = [device('/dev/null', '/dev/x', 'r'), device(directory, '/dev/many')];
    expect(await readDeviceNodes(executor, devices)).toEqual([
      { path: '/dev/x', type: 'c', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0, permissions: 'r' },
      expect.objectContaining({ path: '/dev/many/link', type: 'c', major: 1, minor: 5, permissions: 'rw' }),
    ]);
  });

  it.each([
    [device('/dev/none', '/dev/x'), 'not-found', 'no device /dev/none'],
    [device('/etc/passwd', '/dev/x'), 'invalid-argument', 'neither a device node'],
    [device('/dev/null', '/dev/x', 'rx'), 'invalid-argument', '"rx"'],
    [device('/dev/null', '/dev/x', ''), 'invalid-argument', '""'],
    [device('/dev/null', '/dev/x', 'rr'), 'invalid-argument', '"rr"'],
    [device('dev/null', '/dev/x'), 'invalid-argument', 'host path'],
    [device('/dev/null', 'x'), 'invalid-argument', 'path in the container'],
  ])('refuses %j', async (wrong, kind, said) => {
    await expect(readDeviceNodes(executor, [wrong])).rejects.toThrow(
      expect.objectContaining({ kind, message: expect.stringContaining(said) }),
    );
  });
});

describe('readAllDeviceNodes', () => {
  it('finds the host’s nodes, but no terminals of others', async () => {
    const paths = (await readAllDeviceNodes(executor)).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['/dev/null', '/dev/zero']));
    expect(paths.filter((path) => /^\/dev\/(pts|shm|mqueue)\//.test(path))).toEqual([]);
  });
});

describe('deviceNumbers', () => {
  it.each([
    [0x0103n, 1, 3],
    [0x8802n, 136, 2],
    [(0xfffn << 8n) | 0xffn | (0x12345n << 20n), 0xfff, 0x12345ff],
    [0x1000n << 32n, 0x1000, 0],
  ])('takes %s apart', (rdev, major, minor) => {
    expect(deviceNumbers(rdev)).toEqual({ major, minor });
  });
});
