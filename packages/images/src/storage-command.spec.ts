import { describe, expect, it } from 'vitest';
import { parseStatus } from './storage-command.js';

/** As containers-storage 1.43 prints it. */
const status = (driver: string, options: string) =>
  `[["Root","/var/lib/containers/storage"],["Run Root","/run/containers/storage"],["Driver Name","${driver}"],["Driver Options","${options}"],["Backing Filesystem","extfs"]]`;

describe('parseStatus', () => {
  it.each([
    ['[]', []],
    ['[overlay.mountopt=nodev overlay.skip_mount_home=true]', []],
    [
      '[overlay.imagestore=/usr/share/images .imagestore=/mnt/more overlay.mountopt=nodev]',
      ['/usr/share/images', '/mnt/more'],
    ],
  ])('finds the store and the read-only ones of %s', (options, readOnlyRoots) => {
    expect(parseStatus(status('overlay', options))).toEqual({
      root: '/var/lib/containers/storage',
      runRoot: '/run/containers/storage',
      readOnlyRoots,
    });
  });

  it('refuses another driver', () => {
    expect(() => parseStatus(status('vfs', '[]'))).toThrow(/driver vfs; only overlay/);
  });

  it.each(['', '{}', '[]', '[1]', 'Root: /x'])('says that %j tells nothing', (text) => {
    expect(() => parseStatus(text)).toThrow(/does not say where/);
  });
});
