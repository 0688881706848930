import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { type Mount, mountAt, mountOf, mountRefs, parseMountInfo, unescapeOctal } from './mount-info.js';

const TABLE = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 21 0:25 / /run rw,nosuid shared:5 master:2 propagate_from:1 - tmpfs tmpfs rw,size=1k
31 30 0:26 /sub\\040dir /run/a\\040b\\011c\\012d\\134e ro unbindable - fuse.sshfs me@host:/x\\040y rw
32 21 0:27 / /src rw,nodev master:9 - tmpfs  rw,mode=755,x=a\\054b
`;

describe('a line of the mount table', () => {
  it('is a typed row', () => {
    const [root, run, strange, nameless] = parseMountInfo(TABLE);
    expect(root).toEqual<Mount>({
      id: 21,
      parentId: 1,
      deviceNumber: '8:1',
      device: '/dev/sda1',
      root: '/',
      path: '/',
      type: 'ext4',
      options: ['rw', 'relatime'],
      superOptions: ['rw', 'errors=remount-ro'],
      propagation: { peerGroup: 1, unbindable: false },
    });
    expect(run?.propagation).toEqual({ peerGroup: 5, masterGroup: 2, unbindable: false });
    expect(strange).toMatchObject({
      path: '/run/a b\tc\nd\\e',
      root: '/sub dir',
      device: 'me@host:/x y',
      type: 'fuse.sshfs',
      options: ['ro'],
      propagation: { unbindable: true },
    });
    expect(nameless).toMatchObject({
      device: '',
      propagation: { masterGroup: 9 },
      superOptions: ['rw', 'mode=755', 'x=a,b'],
    });
  });

  it.each([
    'x',
    '21 1 8:1 / / rw,relatime shared:1 ext4 /dev/sda1 rw',
    '21 1 8:1 / / rw - ext4',
    'x 1 8:1 / / rw - ext4 a rw',
  ])('is an error when it is none: %s', (line) => {
    expect(() => parseMountInfo(`${TABLE}${line}\n`)).toThrow(PodwrightError);
  });
});

it.each([
  ['\\040', ' '],
  ['\\011', '\t'],
  ['\\012', '\n'],
  ['\\134', '\\'],
  ['\\043', '#'],
  ['\\134040', '\\040'],
  ['\\303\\274', 'ü'],
  ['ü\\040ü', 'ü ü'],
  ['a\\b', 'a\\b'],
  ['\\04', '\\04'],
  ['\\777', '\\777'],
  ['', ''],
])('%j is %j', (escaped, text) => expect(unescapeOctal(escaped)).toBe(text));

/** Rows as `id parent device root path`. */
const rows = (...lines: string[]) =>
  parseMountInfo(
    lines
      .map((line) => line.split(' '))
      .map(([id, parent, device, root, path]) => `${id} ${parent} ${device} ${root} ${path} rw - x x rw\n`)
      .join(''),
  );

describe('the mount that a path lies on', () => {
  const table = rows(
    ...['1 0 8:1 / /', '2 1 0:2 / /a', '3 2 0:3 / /a/b', '4 1 0:4 / /ab', '5 1 0:5 / /hidden/deep'],
    ...['6 1 0:6 / /hidden', '7 2 0:7 / /a/stack', '8 7 0:8 / /a/stack'],
  );

  it.each([
    ['/', 1],
    ['/x', 1],
    ['/a', 2],
    ['/a/x', 2],
    ['/a/b', 3],
    ['/a/b/c/d', 3],
    ['/a/bc', 2],
    ['/ab', 4],
    ['/abc', 1],
    ['/hidden/deep', 6],
    ['/a/stack/x', 8],
  ])('of %s', (path, id) => expect(mountOf(table, path)?.id).toBe(id));

  it.each([
    ['/', true],
    ['/a', true],
    ['/a/b', true],
    ['/a/b/c', false],
    ['/hidden', true],
    ['/hidden/deep', false],
  ])('%s is a mount point: %s', (path, expected) => {
    expect(mountAt(table, path) !== undefined).toBe(expected);
  });

  it('is found in a root directory that is no mount point, and whose parents are elsewhere', () => {
    expect(mountOf(rows('5 4 0:5 / /a', '6 4 0:6 / /b'), '/b/c')?.id).toBe(6);
    expect(mountOf(rows('5 4 0:5 / /a'), '/c')).toBeUndefined();
    expect(mountOf(rows('5 5 0:5 / /'), '/c')?.id).toBe(5);
  });
});

describe('the other places with the same content', () => {
  const table = rows(
    ...['1 0 8:1 / /', '2 1 8:1 /data /one', '3 1 8:1 /data/sub /two', '4 1 0:4 / /tmp', '5 1 0:4 / /copy'],
    ...['6 1 0:9 /data /other', '7 1 8:1 /data /three', '8 4 8:1 / /tmp/whole'],
  );

  it.each([
    ['/data', ['/one', '/three']],
    ['/one', ['/three']],
    ['/one/sub', ['/two']],
    ['/tmp', ['/copy']],
    ['/tmp/x', []],
    ['/', ['/tmp/whole']],
    ['/tmp/whole', ['/']],
    ['/nowhere', []],
  ])('of %s are %j', (path, expected) => expect(mountRefs(table, path)).toEqual(expected));
});
