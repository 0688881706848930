import { describe, expect, it } from 'vitest';
import {
  capabilitiesOfMask,
  capabilityName,
  capabilityNumbers,
  defaultCapabilities,
  resolveCapabilities,
} from './capabilities.js';

const ALL = [...capabilityNumbers.keys()];

describe('capabilityNumbers', () => {
  it('has 0 to 40 without a gap', () => {
    expect([...capabilityNumbers.values()]).toEqual(Array.from({ length: 41 }, (_, number) => number));
  });

  it.each([
    ['CAP_CHOWN', 0],
    ['CAP_NET_ADMIN', 12],
    ['CAP_SYS_ADMIN', 21],
    ['CAP_MKNOD', 27],
    ['CAP_AUDIT_READ', 37],
    ['CAP_CHECKPOINT_RESTORE', 40],
  ])('has %s at %d', (name, number) => {
    expect(capabilityNumbers.get(name)).toBe(number);
  });
});

describe('capabilityName', () => {
  it.each(['NET_ADMIN', 'CAP_NET_ADMIN', 'cap_net_admin', 'net_admin'])('reads %s', (name) => {
    expect(capabilityName(name)).toBe('CAP_NET_ADMIN');
  });
  it('refuses what Linux does not have', () => {
    expect(() => capabilityName('NET_MAGIC')).toThrow('"NET_MAGIC" is no capability');
  });
});

describe('capabilitiesOfMask', () => {
  it.each([
    ['0000000000000000', []],
    ['0000000000000001', ['CAP_CHOWN']],
    ['0000010000000000', ['CAP_CHECKPOINT_RESTORE']],
    ['000001fffeffffff', ALL.filter((name) => name !== 'CAP_SYS_RESOURCE')],
    ['ffffffffffffffff', ALL],
  ])('reads %s', (mask, expected) => {
    expect(capabilitiesOfMask(mask)).toEqual(expected);
  });
});

describe('resolveCapabilities', () => {
  const plus = (...names: string[]) => [...defaultCapabilities, ...names].sort();
  const minus = (...names: string[]) => defaultCapabilities.filter((name) => !names.includes(name)).sort();

  it.each([
    ['the default', {}, ALL, plus()],
    ['added', { addCapabilities: ['NET_ADMIN', 'CAP_SYS_TIME'] }, ALL, plus('CAP_NET_ADMIN', 'CAP_SYS_TIME')],
    ['dropped', { dropCapabilities: ['MKNOD'] }, ALL, minus('CAP_MKNOD')],
    ['drop ALL', { dropCapabilities: ['ALL'] }, ALL, []],
    ['drop ALL, add one', { dropCapabilities: ['all'], addCapabilities: ['KILL'] }, ALL, ['CAP_KILL']],
    ['add ALL', { addCapabilities: ['ALL'] }, ALL, [...ALL].sort()],
    [
      'add ALL, drop one',
      { addCapabilities: ['ALL'], dropCapabilities: ['MKNOD'] },
      ALL,
      ALL.filter((n) => n !== 'CAP_MKNOD').sort(),
    ],
    ['dropping wins', { addCapabilities: ['SYSLOG'], dropCapabilities: ['SYSLOG'] }, ALL, plus()],
    ['dropping ALL wins', { addCapabilities: ['ALL', 'BPF'], dropCapabilities: ['ALL'] }, ALL, ['CAP_BPF']],
    ['privileged', { privileged: true, dropCapabilities: ['ALL'] }, ALL, [...ALL].sort()],
    ['the default as far as the host has it', {}, ['CAP_KILL', 'CAP_BPF'], ['CAP_KILL']],
    ['ALL as far as the host has it', { addCapabilities: ['ALL'] }, ['CAP_BPF'], ['CAP_BPF']],
    ['privileged as far as the host has it', { privileged: true }, ['CAP_BPF'], ['CAP_BPF']],
  ])('%s', (_, security, available, expected) => {
    expect([...resolveCapabilities(security, available)].sort()).toEqual(expected);
  });

  it('says which one this host lacks when it was asked for by name', () => {
    expect(() => resolveCapabilities({ addCapabilities: ['SYS_RESOURCE'] }, ['CAP_KILL'])).toThrow(
      expect.objectContaining({
        kind: 'missing-requirement',
        message: expect.stringContaining('CAP_SYS_RESOURCE'),
      }),
    );
  });
});
