import type { ContainerSecurity } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { resolveUser } from './resolve-user.js';

const FILES = {
  passwd: [
    'root:x:0:0:root:/root:/bin/sh',
    '# no entry',
    'broken:x:abc:1::/:',
    'web:x:33:34::/home/web:/bin/sh',
    'homeless:x:40:40::',
    '77:x:0:0::/numbered:',
    '88:x:0:0::/numbered:',
    'eighty-eight:x:88:89::/named:',
  ].join('\n'),
  group:
    '34:x:0:\nnumbered:x:35:77\nroot:x:0:\nwww:x:34:\nextra:x:50:other, web\nmore:x:10:web\nbad:x:no:web\n',
};

const ROOT = { uid: 0, gid: 0, additionalGids: [0], home: '/root', name: 'root' };
const NUMBER = { uid: 77, gid: 0, additionalGids: [0], home: '/' };
const WEB = { uid: 33, gid: 34, additionalGids: [10, 34, 50], home: '/home/web', name: 'web' };

describe('resolveUser', () => {
  it.each<[string, string | undefined, ContainerSecurity, object]>([
    ['no user is root', undefined, {}, ROOT],
    ['an empty user is root', '', {}, ROOT],
    ['a name', 'web', {}, WEB],
    ['a number with an entry', '33', {}, WEB],
    ['a number without an entry', '1234', {}, { uid: 1234, gid: 0, additionalGids: [0], home: '/' }],
    ['a number that is also a name', '77', {}, NUMBER],
    ['runAsUser that is also a name', 'web', { runAsUser: 77 }, NUMBER],
    ['runAsUserName that is a number', undefined, { runAsUserName: '77' }, NUMBER],
    [
      'a number that is one user’s name and another’s id',
      '88',
      {},
      { uid: 88, gid: 89, additionalGids: [89], home: '/named', name: 'eighty-eight' },
    ],
    [
      'a group’s number that is also a name',
      '1234:34',
      {},
      { ...NUMBER, uid: 1234, gid: 34, additionalGids: [34] },
    ],
    ['user:group', 'web:extra', {}, { ...WEB, gid: 50, additionalGids: [10, 50] }],
    ['uid:gid', '1234:4321', {}, { uid: 1234, gid: 4321, additionalGids: [4321], home: '/' }],
    ['user:gid', 'web:9', {}, { ...WEB, gid: 9, additionalGids: [9, 10, 50] }],
    [':group', ':www', {}, { ...ROOT, gid: 34, additionalGids: [34] }],
    [
      'only the groups that are named, by policy',
      'web',
      { supplementalGroups: [7], supplementalGroupsPolicy: 'Strict' },
      { ...WEB, additionalGids: [7, 34] },
    ],
    ['no home', 'homeless', {}, { uid: 40, gid: 40, additionalGids: [40], home: '/', name: 'homeless' }],
    [
      'runAsUser wins over user:group',
      'web:extra',
      { runAsUser: 40 },
      { uid: 40, gid: 40, additionalGids: [40], home: '/', name: 'homeless' },
    ],
    ['runAsUser 0', 'web', { runAsUser: 0 }, ROOT],
    ['runAsGroup', 'web', { runAsGroup: 7 }, { ...WEB, gid: 7, additionalGids: [7, 10, 50] }],
    ['runAsUserName', undefined, { runAsUserName: 'web' }, WEB],
    [
      'supplemental groups',
      'web',
      { supplementalGroups: [99, 10] },
      { ...WEB, additionalGids: [10, 34, 50, 99] },
    ],
    ['runAsNonRoot with a user that is not', 'web', { runAsNonRoot: true }, WEB],
    ['the largest id', '4294967294', {}, { uid: 4294967294, gid: 0, additionalGids: [0], home: '/' }],
  ])('%s', (_, imageUser, security, expected) => {
    expect(resolveUser(FILES, imageUser, security)).toEqual(expected);
  });

  it('knows root without any file', () => {
    expect(resolveUser({}, undefined, {})).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: '/root' });
  });

  it.each<[string, string | undefined, ContainerSecurity, string]>([
    ['an unknown name', 'nobody', {}, '"nobody" of the image is not in its /etc/passwd'],
    ['an unknown group', 'web:staff', {}, '"staff"'],
    ['an unknown runAsUserName', undefined, { runAsUserName: 'me' }, '"me" is not in'],
    ['two users', undefined, { runAsUser: 1, runAsUserName: 'web' }, 'both runAsUser'],
    ['a broken entry', 'broken', {}, '"broken"'],
    ['too large a number', '4294967295', {}, '4294967295'],
    ['a negative group', undefined, { runAsGroup: -1 }, '-1'],
    ['a broken supplemental group', undefined, { supplementalGroups: [1.5] }, '1.5'],
    ['runAsNonRoot and no user', undefined, { runAsNonRoot: true }, 'names no user, which means root'],
    ['runAsNonRoot and root by name', 'root', { runAsNonRoot: true }, 'runs as "root"'],
    ['runAsNonRoot and root by number', '0:33', { runAsNonRoot: true }, 'runs as "0"'],
    [
      'runAsNonRoot and runAsUser 0',
      'web',
      { runAsNonRoot: true, runAsUser: 0 },
      'together with a user that is root',
    ],
  ])('refuses %s', (_, imageUser, security, said) => {
    expect(() => resolveUser(FILES, imageUser, security)).toThrow(
      expect.objectContaining({ kind: 'invalid-argument', message: expect.stringContaining(said) }),
    );
  });
});
