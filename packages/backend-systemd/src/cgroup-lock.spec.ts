import { describe, expect, it } from 'vitest';
import { ownCgroupFile } from './cgroup-lock.js';

describe('ownCgroupFile', () => {
  it.each([
    ['version 2', '0::/system.slice/agent.service\n', '/system.slice/agent.service'],
    ['version 2, in a cgroup namespace', '0::/\n', ''],
    [
      'both versions',
      '4:memory:/x\n1:name=systemd:/system.slice/agent.service\n0::/y\n',
      '/systemd/system.slice/agent.service',
    ],
    ['a root of version 1', '1:name=systemd:/\n0::/\n', '/systemd'],
    ['no cgroup at all', '', ''],
  ])('of %s', (_, text, directory) => {
    expect(ownCgroupFile(text)).toBe(`/sys/fs/cgroup${directory}/cgroup.procs`);
  });
});
