import { describe, expect, it } from 'vitest';
import { capabilityNumbers, defaultCapabilities } from './capabilities.js';
import { ENTER_PROGRAM, enterFile, systemCalls } from './enter-program.js';
import { enterWords, refusal } from './nsenter-exec.js';
import type { OciProcess } from './runtime-spec.js';

const ALL = [...capabilityNumbers.keys()];
const sets = (bounding: readonly string[]) => ({
  bounding,
  effective: bounding,
  permitted: bounding,
  inheritable: [],
  ambient: [],
});

const root: OciProcess = {
  terminal: false,
  user: { uid: 0, gid: 0, additionalGids: [] },
  args: ['sh', '-c', 'echo "$X"'],
  env: ['X=a=b', 'EMPTY='],
  cwd: '/tmp',
  capabilities: sets(defaultCapabilities),
  noNewPrivileges: false,
};
const user: OciProcess = { ...root, user: { uid: 1000, gid: 100, additionalGids: [4, 5] } };

describe('refusal', () => {
  it.each<[string, Partial<OciProcess>, boolean, readonly string[], RegExp | undefined]>([
    [
      'root with fewer capabilities and a filter',
      {},
      true,
      ALL,
      /seccomp filter.*handler oci.*allowUnconfined/,
    ],
    ['root with an AppArmor profile', { apparmorProfile: 'p' }, false, ALL, /AppArmor profile/],
    [
      'root with an SELinux label',
      { selinuxLabel: 'a:b:c:d' },
      true,
      ALL,
      /seccomp filter and SELinux label/,
    ],
    ['root with fewer capabilities and nothing else', {}, false, ALL, undefined],
    ['root with all of them and a filter', { capabilities: sets(ALL) }, true, ALL, undefined],
    ['an agent that has no more itself', {}, true, defaultCapabilities, undefined],
    ['another user', { user: user.user }, true, ALL, undefined],
  ])('of %s', (_what, changes, seccomp, agent, expected) => {
    const why = refusal({ id: 'c1', process: { ...root, ...changes }, seccomp }, agent);
    if (expected === undefined) expect(why).toBeUndefined();
    else expect(why).toMatch(expected);
  });
});

describe('enterWords', () => {
  const of = (process: OciProcess, seccomp = false, allowUnconfined = false) => {
    const words = new Map<string, (string | number)[]>();
    for (const [name, value] of enterWords({ process, seccomp }, allowUnconfined)) {
      words.set(name, [...(words.get(name) ?? []), value]);
    }
    return Object.fromEntries(words);
  };

  it('has all that the process has, byte for byte', () => {
    const rlimits = [{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }];
    const capabilities = { ...sets(['CAP_CHOWN', 'CAP_NET_ADMIN']), ambient: ['CAP_CHOWN'] };
    expect(of({ ...user, rlimits, capabilities, oomScoreAdj: -3 })).toEqual({
      uid: [1000],
      gid: [100],
      group: [4, 5],
      bounding: [0, 12],
      effective: [0, 12],
      permitted: [0, 12],
      ambient: [0],
      oom: [-3],
      rlimit: ['7 10 20'],
      cwd: ['/tmp'],
      env: ['X=a=b', 'EMPTY='],
      arg: ['sh', '-c', 'echo "$X"'],
    });
  });

  it('has a terminal with its size', () => {
    const process = { ...user, terminal: true };
    const words = enterWords({ process, seccomp: false, terminalSize: { rows: 24, columns: 80 } }, false);
    expect(words.slice(0, 3)).toEqual([
      ['terminal', 1],
      ['size', 24],
      ['size', 80],
    ]);
  });

  it.each<[OciProcess, boolean, boolean, readonly number[] | undefined]>([
    [{ ...root, noNewPrivileges: true }, false, false, [1]],
    [root, true, true, undefined],
    [user, false, false, undefined],
    [user, true, false, [1]],
    [user, true, true, undefined],
    [{ ...user, noNewPrivileges: true }, true, true, [1]],
  ])('has no_new_privs where the container has it, and where a user could become root (%#)', (...args) => {
    const [process, seccomp, allowUnconfined, expected] = args;
    expect(of(process, seccomp, allowUnconfined)['nnp']).toEqual(expected);
  });
});

describe('the program', () => {
  it('finds the number of each system call that it makes, on each processor', () => {
    const made = [...ENTER_PROGRAM.matchAll(/(?:\bok\([^,]+(?:'[^']*')?, |\bsys\()'(\w+)'/g)].map(
      ([, name]) => name,
    );
    expect(new Set(made).size).toBeGreaterThan(8);
    for (const calls of Object.values(systemCalls)) {
      expect(Object.keys(calls ?? {})).toEqual(expect.arrayContaining(made));
    }
  });

  it('is told names and values with a NUL after each', () => {
    expect(
      enterFile([
        ['a', 1],
        ['b', 'x\ny'],
      ]),
    ).toBe('a\x001\0b\0x\ny\0');
  });
});
