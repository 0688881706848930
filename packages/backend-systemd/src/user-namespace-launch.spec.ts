import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { HostLayout } from './host-layout.js';
import { CONTAINER_ID, errorOf, sandboxRecord } from './testing.spec-helper.js';
import { checkPropagation, launchPaths, launchUsers, mountRootfsFor } from './user-namespace-launch.js';

const paths = new HostLayout('/state dir', '/run/p').container(CONTAINER_ID);
const own = sandboxRecord({
  namespaces: { user: '/ns/user', network: '/ns/net' },
  idMappings: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
});

it('a sandbox has users of its own, or those of the host', () => {
  expect(launchUsers(own)).toEqual({ path: '/ns/user', rootId: 100_000 });
  expect(launchUsers(sandboxRecord())).toBeUndefined();
  expect(launchPaths(paths, own).rootfs).toBe('/run/podwright-rootfs/root');
  expect(launchPaths(paths, sandboxRecord())).toBe(paths);
});

it('no mount reaches the host from users of a pod’s own', async () => {
  const mounts = [{ hostPath: '/h', containerPath: '/c', propagation: 'bidirectional' }] as const;
  expect(() => checkPropagation(mounts, sandboxRecord())).not.toThrow();
  expect(await errorOf(() => checkPropagation(mounts, own))).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('/c'),
  });
});

describe('the script', () => {
  /** Runs it with functions in place of the programs; their words, with the program of perl left out. */
  async function run(failing = ''): Promise<string[]> {
    const programs = ['mount', 'mkdir', 'mknod', 'perl', 'chown'].map(
      (name) =>
        `${name}() { case "$*" in *'use strict'*) shift 2 ;; esac; echo "${name} $*" >&9; [ "${name} $1" != ${JSON.stringify(failing)} ] || { echo why; return 1; }; }`,
    );
    const script = [
      'set -u',
      ...programs,
      'cd() { echo "cd $*" >&9; }',
      'fail() { echo "failed: $1" >&9; exit 1; }',
      'exec 9>&1',
      mountRootfsFor({ path: '/ns/user', rootId: 100_000 }, ["/layers/it's", '/layers/b'], paths),
    ].join('\n');
    const { stdout } = await promisify(execFile)('sh', ['-c', script]).catch(
      (error: { stdout: string }) => error,
    );
    return stdout.trim().split('\n');
  }

  it('shows the layers with the pod’s ids below a writable layer that has them', async () => {
    const said = await run();
    expect(said[0]).toBe('mount --make-rslave /');
    expect(said).toContain("perl /ns/user /run/podwright-rootfs/layers /layers/it's /layers/b");
    expect(said).toContain(`chown 100000:100000 ${paths.upper} ${paths.work}`);
    expect(said.slice(-2)).toEqual([
      'cd /run/podwright-rootfs/layers',
      `mount -t overlay overlay -o lowerdir=0:1,upperdir=${paths.upper},workdir=${paths.work} /run/podwright-rootfs/root`,
    ]);
  });

  it('keeps the /dev/null of the host from the pod', async () => {
    expect(await run()).toContain('mount --bind /run/podwright-rootfs/null /dev/null');
  });

  it.each([
    ['mount --make-rslave', 'place of the root file system'],
    ['perl /ns/user', 'layers of the image'],
    ['chown 100000:100000', 'root file system cannot be mounted'],
  ])('says why when %s fails', async (failing, words) => {
    expect((await run(failing)).at(-1)).toMatch(new RegExp(`^failed: .*${words}.*: why$`));
  });
});
