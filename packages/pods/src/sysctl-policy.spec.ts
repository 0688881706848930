import { parsePod } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { checkSysctls } from './sysctl-policy.js';

const pod = (...names: string[]) =>
  parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
    spec: {
      containers: [{ name: 'c', image: 'x' }],
      securityContext: { sysctls: names.map((name) => ({ name, value: '1' })) },
    },
  });

describe('checkSysctls', () => {
  it.each([
    ['a safe one', 'net.ipv4.tcp_syncookies', []],
    ['a safe one with slashes', 'kernel/shm_rmid_forced', []],
    ['one that is allowed', 'net.core.somaxconn', ['net.core.somaxconn']],
    ['one whose beginning is allowed', 'kernel.msgmax', ['kernel.msg*']],
    ['one that is allowed with slashes', 'net.core.somaxconn', ['net/core/somaxconn']],
  ])('lets %s be set', (_what, name, allowed) => {
    expect(() => checkSysctls(pod(name), allowed)).not.toThrow();
  });

  it.each([
    ['net.core.somaxconn', []],
    ['net.core.somaxconn', ['net.core.soma']],
    ['kernel.msgmax', ['net.*']],
  ])('refuses %s with %j allowed', (name, allowed) => {
    expect(() => checkSysctls(pod('net.ipv4.tcp_rmem', name), allowed)).toThrow(
      expect.objectContaining({
        kind: 'unsupported',
        message: expect.stringMatching(new RegExp(`asks for ${name}, .*allowedUnsafeSysctls`)),
      }),
    );
  });
});
