import type { Mount } from '@podwright/core';
import { type Mounter, parseMountInfo } from '@podwright/nsenter';
import { expect, it } from 'vitest';
import { MountSharing } from './mount-sharing.js';
import { errorOf, fakeHost } from './testing.spec-helper.js';

const TABLE = `20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
21 20 8:2 / /private rw - ext4 /dev/sda2 rw
22 20 8:3 / /slave rw master:1 - ext4 /dev/sda3 rw
`;

/** Of a host on which `/link` leads to `/private/x`. */
function sharing(): MountSharing {
  const host = fakeHost({
    run: ({ args = [] }) => ({
      stdout: Buffer.from(
        args
          .slice(args.indexOf('--') + 1)
          .map((path) => `${path === '/link' ? '/private/x' : path}\0`)
          .join(''),
      ),
    }),
  });
  const mounter: Pick<Mounter, 'list'> = { list: async () => parseMountInfo(TABLE) };
  return Reflect.construct(MountSharing, [host, mounter]);
}

const mounts = (hostPath: string, propagation?: Mount['propagation']): readonly Mount[] => [
  { hostPath: '/private/unasked', containerPath: '/a' },
  { hostPath, containerPath: '/b', ...(propagation === undefined ? {} : { propagation }) },
];

it.each([
  ['/private/x', undefined],
  ['/private/x', 'private'],
  ['/srv', 'host-to-container'],
  ['/srv', 'bidirectional'],
  ['/slave/x', 'host-to-container'],
] as const)('%s can be mounted with %s', async (hostPath, propagation) => {
  await sharing().check(mounts(hostPath, propagation));
});

it.each([
  ['/private/x', 'host-to-container', '/private'],
  ['/link', 'bidirectional', '/private'],
  ['/slave/x', 'bidirectional', '/slave'],
] as const)('%s cannot be mounted with %s', async (hostPath, propagation, mountPoint) => {
  const error = await errorOf(() => sharing().check(mounts(hostPath, propagation)));
  expect(error).toMatchObject({ kind: 'failed-precondition', details: { mountPoint } });
  expect(error.message).toContain(`--make-shared ${mountPoint}`);
});
