import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import type { NamespaceKind } from './namespace-pinner.js';
import { sysctlFiles } from './sysctls.js';

const ALL: ReadonlySet<NamespaceKind> = new Set(['network', 'ipc', 'uts']);

describe('sysctlFiles', () => {
  it.each([
    ['net.core.somaxconn', 'net/core/somaxconn'],
    ['net/ipv4/conf/eth0.100/forwarding', 'net/ipv4/conf/eth0.100/forwarding'],
    ['net.ipv4.conf.eth0/100.forwarding', 'net/ipv4/conf/eth0.100/forwarding'],
    ['kernel.shm_rmid_forced', 'kernel/shm_rmid_forced'],
    ['kernel.msgmax', 'kernel/msgmax'],
    ['kernel.sem', 'kernel/sem'],
    ['kernel.sem_next_id', 'kernel/sem_next_id'],
    ['kernel.domainname', 'kernel/domainname'],
    ['fs.mqueue.msg_max', 'fs/mqueue/msg_max'],
  ])('%s is %s', (name, path) => {
    expect(sysctlFiles({ [name]: '1' }, ALL)).toEqual([{ name, path, value: '1' }]);
  });

  it.each([
    ['a parameter of the host', { 'vm.swappiness': '1' }, ALL],
    ['a namesake of one', { 'kernel.shmem/../panic': '1' }, ALL],
    ['the host name', { 'kernel.hostname': 'x' }, ALL],
    ['a way out', { 'net/../../../etc/passwd': 'x' }, ALL],
    ['no name', { net: '1' }, ALL],
    ['two lines', { 'net.core.somaxconn': '1\n2' }, ALL],
    ['one of the node’s network', { 'net.core.somaxconn': '1' }, new Set<NamespaceKind>(['ipc'])],
    ['one of the node’s host names', { 'kernel.domainname': 'x' }, new Set<NamespaceKind>(['ipc'])],
    ['one of the node’s IPC', { 'kernel.sem': '1' }, new Set<NamespaceKind>(['network'])],
  ])('refuses %s', (_what, sysctls, own) => {
    expect(() => sysctlFiles(sysctls, own)).toThrow(PodwrightError);
  });
});
