import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { checkSandboxSecurity, toSecurity } from './to-security.js';

type Init = MessageInitShape<typeof cri.LinuxContainerSecurityContextSchema>;

const { SecurityProfile_ProfileType: Type, SupplementalGroupsPolicy } = cri;
const security = (init: Init) =>
  toSecurity(create(cri.LinuxContainerSecurityContextSchema, init), 'container a');

/** A value that no enum of the interface has; a newer client may send one. */
const UNKNOWN: number = 99;

/** What an empty security context says. */
const EMPTY = {
  privileged: false,
  readOnlyRootFilesystem: false,
  seccomp: { type: 'Unconfined' },
  maskedPaths: [],
  readOnlyPaths: [],
};

describe('toSecurity', () => {
  it('leaves paths to the backend when there is no security context', () => {
    expect(toSecurity(undefined, 'container a')).toEqual({ seccomp: { type: 'Unconfined' } });
  });

  it.each<[string, Init, object]>([
    ['nothing', {}, {}],
    [
      'user and group',
      { runAsUser: { value: 0n }, runAsGroup: { value: 7n } },
      { runAsUser: 0, runAsGroup: 7 },
    ],
    [
      'a user by name',
      { runAsUsername: 'nobody', runAsGroup: { value: 7n } },
      { runAsUserName: 'nobody', runAsGroup: 7 },
    ],
    ['groups', { supplementalGroups: [1n, 2n] }, { supplementalGroups: [1, 2] }],
    [
      'only these groups',
      { supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict },
      { supplementalGroupsPolicy: 'Strict' },
    ],
    [
      'capabilities',
      { capabilities: { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] } },
      { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] },
    ],
    ['a read-only root', { readonlyRootfs: true }, { readOnlyRootFilesystem: true }],
    ['no new privileges', { noNewPrivs: true }, { allowPrivilegeEscalation: false }],
    [
      'the old default of seccomp',
      { seccompProfilePath: 'runtime/default' },
      { seccomp: { type: 'RuntimeDefault' } },
    ],
    [
      "docker's name for it",
      { seccompProfilePath: 'docker/default' },
      { seccomp: { type: 'RuntimeDefault' } },
    ],
    ['the old unconfined', { seccompProfilePath: 'unconfined' }, { seccomp: { type: 'Unconfined' } }],
    [
      'an old path',
      { seccompProfilePath: 'localhost//p.json' },
      { seccomp: { type: 'Localhost', localhostPath: '/p.json' } },
    ],
    [
      'the new default',
      { seccomp: { profileType: Type.RuntimeDefault } },
      { seccomp: { type: 'RuntimeDefault' } },
    ],
    [
      'a new path, which wins over an old one',
      { seccomp: { profileType: Type.Localhost, localhostRef: '/n.json' }, seccompProfilePath: 'unconfined' },
      { seccomp: { type: 'Localhost', localhostPath: '/n.json' } },
    ],
    [
      'a new path with the old prefix',
      { seccomp: { profileType: Type.Localhost, localhostRef: 'localhost//n.json' } },
      { seccomp: { type: 'Localhost', localhostPath: '/n.json' } },
    ],
    [
      'an AppArmor profile',
      { apparmorProfile: 'localhost/mine' },
      { appArmor: { type: 'Localhost', localhostProfile: 'mine' } },
    ],
    [
      'AppArmor by the new message',
      { apparmor: { profileType: Type.Unconfined } },
      { appArmor: { type: 'Unconfined' } },
    ],
    ['SELinux', { selinuxOptions: { level: 's0:c1' } }, { seLinux: { level: 's0:c1' } }],
    ['SELinux without a word', { selinuxOptions: {} }, {}],
    ['paths', { maskedPaths: ['/m'], readonlyPaths: ['/r'] }, { maskedPaths: ['/m'], readOnlyPaths: ['/r'] }],
    [
      'a privileged one, unconfined whatever it names',
      {
        privileged: true,
        maskedPaths: ['/m'],
        readonlyPaths: ['/r'],
        seccompProfilePath: 'localhost//p.json',
        apparmorProfile: 'runtime/default',
      },
      { privileged: true, appArmor: { type: 'Unconfined' } },
    ],
  ])('%s', (_name, init, expected) => {
    expect(security(init)).toEqual({ ...EMPTY, ...expected });
  });

  it.each<[string, Init, string]>([
    ['a group without a user', { runAsGroup: { value: 7n } }, 'invalid-argument'],
    ['two users', { runAsUser: { value: 1n }, runAsUsername: 'x' }, 'invalid-argument'],
    ['a negative user', { runAsUser: { value: -1n } }, 'invalid-argument'],
    ['ambient capabilities', { capabilities: { addAmbientCapabilities: ['X'] } }, 'unsupported'],
    ['a seccomp path without its prefix', { seccompProfilePath: '/tmp/p.json' }, 'invalid-argument'],
    ['a relative seccomp path', { seccompProfilePath: 'localhost/p.json' }, 'invalid-argument'],
    ['no seccomp path', { seccomp: { profileType: Type.Localhost } }, 'invalid-argument'],
    [
      'a path that is not asked for',
      { seccomp: { profileType: Type.Unconfined, localhostRef: '/p' } },
      'invalid-argument',
    ],
    ['an unknown type', { seccomp: { profileType: UNKNOWN } }, 'invalid-argument'],
    ['an AppArmor profile without its prefix', { apparmorProfile: 'mine' }, 'invalid-argument'],
    ['an unknown policy of groups', { supplementalGroupsPolicy: UNKNOWN }, 'invalid-argument'],
  ])('refuses %s', (_name, init, kind) => {
    expect(() => security(init)).toThrow(expect.objectContaining({ kind }));
  });
});

describe('checkSandboxSecurity', () => {
  const check = (init: MessageInitShape<typeof cri.LinuxSandboxSecurityContextSchema>) => () =>
    checkSandboxSecurity(create(cri.LinuxSandboxSecurityContextSchema, init), 'pod a');

  it('takes what concerns nobody', () => {
    expect(
      check({ privileged: true, runAsUser: { value: 1n }, seccompProfilePath: 'unconfined' }),
    ).not.toThrow();
  });

  it('refuses what is wrong by itself', () => {
    expect(check({ runAsGroup: { value: 1n } })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    );
    expect(check({ seccompProfilePath: '/p' })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument' }),
    );
  });
});
