import { describe, expect, it } from 'vitest';
import { resolveSeccomp, type SeccompFacts } from './seccomp.js';

const FACTS: SeccompFacts = { capabilities: ['CAP_KILL', 'CAP_MKNOD'], arch: 'amd64', kernelVersion: '6.1' };
const BASE = { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38 };
const rule = (includes: object = {}, excludes: object = {}) => ({
  names: ['read'],
  action: 'SCMP_ACT_ALLOW',
  args: [],
  includes,
  excludes,
});
const kept = (one: object, facts = FACTS) =>
  resolveSeccomp({ ...BASE, syscalls: [one] }, facts).syscalls.length === 1;

describe('the conditions of a profile', () => {
  it.each([
    ['none', {}, {}, true],
    ['a capability that is there', { caps: ['CAP_KILL'] }, {}, true],
    ['a capability that is not', { caps: ['CAP_BPF'] }, {}, false],
    ['all of the capabilities', { caps: ['CAP_KILL', 'CAP_BPF'] }, {}, false],
    ['one of the architectures', { arches: ['arm64', 'amd64'] }, {}, true],
    ['another architecture', { arches: ['arm64'] }, {}, false],
    ['a kernel that is new enough', { minKernel: '4.8' }, {}, true],
    ['a kernel that is not', { minKernel: '6.10' }, {}, false],
    ['excluded by a capability', {}, { caps: ['CAP_BPF', 'CAP_KILL'] }, false],
    ['not excluded', {}, { caps: ['CAP_BPF'], arches: ['s390x'], minKernel: '7.0' }, true],
    ['excluded by the architecture', {}, { arches: ['amd64'] }, false],
    ['excluded by the kernel', {}, { minKernel: '5.0' }, false],
    ['included and excluded', { caps: ['CAP_KILL'] }, { caps: ['CAP_MKNOD'] }, false],
  ])('%s', (_, includes, excludes, expected) => {
    expect(kept(rule(includes, excludes))).toBe(expected);
  });

  it('name 32-bit x86 otherwise than Go does', () => {
    expect(kept(rule({ arches: ['x86'] }), { ...FACTS, arch: '386' })).toBe(true);
  });
});

describe('resolveSeccomp', () => {
  it('maps the architecture with those it can run besides', () => {
    const archMap = [
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    ];
    const resolve = (arch: string) =>
      resolveSeccomp({ ...BASE, archMap, syscalls: [] }, { ...FACTS, arch }).architectures;
    expect(resolve('amd64')).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
    expect(resolve('arm64')).toEqual(['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
    expect(resolve('riscv64')).toEqual(['SCMP_ARCH_RISCV64']);
  });

  it('keeps actions, error numbers and arguments, and leaves out what OCI does not have', () => {
    const args = [{ index: 0, value: 4294967295, op: 'SCMP_CMP_EQ' }];
    const syscalls = [
      { ...rule(), action: 'SCMP_ACT_ERRNO', errnoRet: 1, errno: 'EPERM', comment: 'x', args },
      { ...rule(), args: null },
    ];
    expect(resolveSeccomp({ ...BASE, defaultErrno: 'ENOSYS', syscalls }, FACTS)).toEqual({
      ...BASE,
      syscalls: [
        {
          names: ['read'],
          action: 'SCMP_ACT_ERRNO',
          errnoRet: 1,
          args: [{ ...args[0], valueTwo: 0 }],
        },
        { names: ['read'], action: 'SCMP_ACT_ALLOW' },
      ],
    });
  });

  it('takes a plain OCI profile as it is', () => {
    const profile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [{ names: ['chmod'], action: 'SCMP_ACT_ERRNO' }],
    };
    expect(resolveSeccomp(profile, FACTS)).toEqual(profile);
  });

  it.each([
    [[], 'the whole has to be an object'],
    [{ syscalls: [] }, 'defaultAction has to be a text'],
    [{ ...BASE, syscalls: {} }, 'syscalls has to be a list'],
    [{ ...BASE, syscalls: [{ names: 'read' }] }, 'syscalls[0].names has to be a list'],
    [{ ...BASE, syscalls: [{ names: ['a'] }] }, 'syscalls[0].action has to be a text'],
    [
      { ...BASE, syscalls: [{ ...rule(), args: [{ index: 'x' }] }] },
      'syscalls[0].args[0].index has to be a number',
    ],
    [{ ...BASE, syscalls: [rule({ caps: [1] })] }, 'syscalls[0].includes.caps[0] has to be a text'],
  ])('says what is wrong with %j', (profile, said) => {
    expect(() => resolveSeccomp(profile, FACTS, '/x.json')).toThrow(
      expect.objectContaining({
        kind: 'invalid-argument',
        message: `The seccomp profile /x.json cannot be used: ${said}.`,
      }),
    );
  });
});
