import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkHostPropagation, seesHostMounts } from './host-propagation.js';
import { parseMountInfo } from './mount-info.js';

const OWN_ROOT = '1 0 0:1 / / rw - overlay overlay rw\n';
const row = (path: string, optional: string) =>
  `2 1 8:1 / ${path} rw,relatime ${optional}- ext4 /dev/sda1 rw\n`;

describe('seesHostMounts', () => {
  it.each([
    ['a private mount', '', false],
    ['an unbindable one', 'unbindable ', false],
    ['a slave of the host (HostToContainer)', 'master:1 ', true],
    ['a peer of the host (Bidirectional)', 'shared:1 ', true],
    ['a slave with peers of its own', 'shared:7 master:1 ', true],
  ])('%s', (_, optional, expected) => {
    expect(seesHostMounts(parseMountInfo(OWN_ROOT + row('/rootfs', optional)), '/rootfs')).toBe(expected);
  });

  it('looks at the mount through which the root is there', () => {
    const table = parseMountInfo(OWN_ROOT + row('/host', 'master:1 '));
    expect(seesHostMounts(table, '/host/root')).toBe(true);
    expect(seesHostMounts(table, '/rootfs')).toBe(false);
  });
});

describe('checkHostPropagation', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'host-propagation-')));
    await mkdir(join(folder, 'real'));
    await symlink('real', join(folder, 'rootfs'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const check = (name: string, optional: string) =>
    checkHostPropagation(join(folder, name), async () => OWN_ROOT + row(join(folder, 'real'), optional));

  it('is content with a root that takes the mounts of the host, through links too', async () => {
    await check('rootfs', 'master:1 ');
  });

  it.each([
    ['rootfs', 'mountPropagation: HostToContainer'],
    ['rootfs', ':rslave'],
    ['none', "The host's root is not at"],
  ])('says of %s what to do: %s', async (name, words) => {
    await expect(check(name, '')).rejects.toMatchObject({
      kind: 'missing-requirement',
      message: expect.stringContaining(words),
    });
  });
});
