// Mounts of a container over a CRI socket: what a kubelet makes of the volumes of a pod.
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../../host/images.js';
import { CriBed, type CriPod, expectRefusal, unlessUnsupported } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';

const { PROPAGATION_PRIVATE, PROPAGATION_HOST_TO_CONTAINER, PROPAGATION_BIDIRECTIONAL } =
  cri.MountPropagation;
const PRIVILEGED = { securityContext: { privileged: true } };

let bed: CriBed;
const mounted: string[] = [];

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(async () => {
  for (const path of mounted.splice(0).reverse()) mount('umount', '--recursive', '--lazy', path);
  await bed.clean();
});

afterAll(() => bed[Symbol.asyncDispose]());

function mount(program: 'mount' | 'umount', ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'pipe' });
}

/** A directory with a file in it. */
async function directory(): Promise<string> {
  const path = join(await bed.folder(), 'data');
  await mkdir(path);
  await writeFile(join(path, 'file'), 'content\n');
  return path;
}

const runPrivileged = () => bed.runPod({ linux: PRIVILEGED });

describe('a volume', () => {
  it('is a directory of the host, which both write', async () => {
    const hostPath = await directory();
    const mounts = [{ hostPath, containerPath: '/data' }];
    const id = await bed.start(await bed.runPod(), { mounts });
    expect(await bed.output(id, 'cat', '/data/file')).toBe('content\n');
    await bed.output(id, 'sh', '-c', 'echo back > /data/back');
    expect(await readFile(join(hostPath, 'back'), 'utf8')).toBe('back\n');
    expect((await bed.status(id)).mounts).toMatchObject([{ ...mounts[0], readonly: false }]);
  });

  it('may be asked for by a symbolic link', async () => {
    const target = await directory();
    const hostPath = `${target}-link`;
    await symlink(target, hostPath);
    const id = await bed.start(await bed.runPod(), { mounts: [{ hostPath, containerPath: hostPath }] });
    expect(await bed.output(id, 'ls', '-A', hostPath)).toBe('file\n');
  });

  it('may be a single file', async () => {
    const hostPath = join(await directory(), 'file');
    const mounts = [{ hostPath, containerPath: '/etc/made/for/it', readonly: true }];
    const id = await bed.start(await bed.runPod(), { mounts });
    expect(await bed.output(id, 'cat', '/etc/made/for/it')).toBe('content\n');
  });

  it('is made as a directory where the host does not have it', async () => {
    const hostPath = join(await bed.folder(), 'not/there/yet');
    await bed.start(await bed.runPod(), { mounts: [{ hostPath, containerPath: '/data' }] });
    expect((await stat(hostPath)).isDirectory()).toBe(true);
  });

  it('may be read-only', async () => {
    const mounts = [{ hostPath: await directory(), containerPath: '/data', readonly: true }];
    const id = await bed.start(await bed.runPod(), { mounts });
    expect(await bed.exec(id, 'touch', '/data/x')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Read-only file system'),
    });
    expect((await bed.status(id)).mounts).toMatchObject([{ readonly: true }]);
  });

  it('over /etc/hosts, as a kubelet gives it, is the one that counts', async () => {
    const hostPath = join(await directory(), 'file');
    const mounts = [
      { hostPath, containerPath: '/etc/hosts' },
      { hostPath, containerPath: '/dev/termination-log' },
    ];
    const id = await bed.start(await bed.runPod(), { mounts });
    expect(await bed.output(id, 'cat', '/etc/hosts')).toBe('content\n');
    await bed.output(id, 'sh', '-c', 'echo last words > /dev/termination-log');
    expect(await readFile(hostPath, 'utf8')).toBe('last words\n');
  });

  itBeyondContainerd16('without a path in the container is refused', async () => {
    await expectRefusal(
      bed.create(await bed.runPod(), { mounts: [{ hostPath: '/tmp', containerPath: '' }] }),
    );
  });
});

describe('a mount under a volume', () => {
  /** Where the host mounts and where the container does, below a directory that is a mount itself. */
  async function prepare(kind: '--make-rprivate' | '--make-rshared') {
    const folder = await bed.folder();
    const [volume, source] = [join(folder, 'mnt'), join(folder, 'source')];
    const [fromHost, fromContainer] = [join(volume, 'from-host'), join(volume, 'from-container')];
    for (const path of [fromHost, fromContainer, source]) await mkdir(path, { recursive: true });
    await writeFile(join(source, 'flag'), '');
    mount('mount', '--rbind', volume, volume);
    mounted.push(volume);
    mount('mount', kind, volume);
    return { volume, source, fromHost, fromContainer };
  }

  it.each([
    ['private', PROPAGATION_PRIVATE, '--make-rprivate', { inside: false, outside: false }],
    ['from the host', PROPAGATION_HOST_TO_CONTAINER, '--make-rshared', { inside: true, outside: false }],
    ['both ways', PROPAGATION_BIDIRECTIONAL, '--make-rshared', { inside: true, outside: true }],
  ] as const)('is seen on the other side as its propagation says: %s', async (_, propagation, kind, seen) => {
    const { volume, source, fromHost, fromContainer } = await prepare(kind);
    const mounts = [{ hostPath: volume, containerPath: volume, propagation }];
    const id = await bed.start(await runPrivileged(), { mounts, linux: PRIVILEGED });
    expect((await bed.status(id)).mounts).toMatchObject([{ ...mounts[0], readonly: false }]);
    mount('mount', '--bind', source, fromHost);
    expect(await bed.output(id, 'ls', '-A', fromHost)).toBe(seen.inside ? 'flag\n' : '');
    await bed.output(id, 'mount', '--bind', '/etc', fromContainer);
    expect((await readdir(fromContainer)).length > 0).toBe(seen.outside);
  });

  it('needs a shared mount of the host for being seen there', async () => {
    const { volume } = await prepare('--make-rprivate');
    const pod = await runPrivileged();
    const start = async (propagation: cri.MountPropagation) =>
      await bed.start(pod, {
        mounts: [{ hostPath: volume, containerPath: '/data', propagation }],
        linux: PRIVILEGED,
      });
    for (const propagation of [PROPAGATION_HOST_TO_CONTAINER, PROPAGATION_BIDIRECTIONAL])
      await expectRefusal(start(propagation));
  });
});

describe('a read-only volume', () => {
  /** A directory with a tmpfs mounted below it. */
  async function withTmpfs(): Promise<string> {
    const folder = await bed.folder();
    await mkdir(join(folder, 'tmpfs'));
    mount('mount', '-t', 'tmpfs', 'none', join(folder, 'tmpfs'));
    mounted.push(join(folder, 'tmpfs'));
    return folder;
  }

  /** Whether the runtime says that it has recursive ones. */
  async function hasRecursive(): Promise<boolean> {
    const { runtimeHandlers } = await bed.runtime.status();
    return runtimeHandlers.find(({ name }) => name === '')?.features?.recursiveReadOnlyMounts ?? false;
  }

  const touch = (id: string) => bed.exec(id, 'touch', '/data/tmpfs/file');

  it('leaves what is mounted below it writable', async () => {
    const mounts = [{ hostPath: await withTmpfs(), containerPath: '/data', readonly: true }];
    const id = await bed.start(await runPrivileged(), { mounts });
    expect(await touch(id)).toMatchObject({ exitCode: 0 });
  });

  itBeyondContainerd16('may be so recursively; or it says that there are none', async () => {
    const mount = { hostPath: await withTmpfs(), containerPath: '/data', readonly: true };
    const mounts = [{ ...mount, recursiveReadOnly: true }];
    const pod = await runPrivileged();
    if (!(await hasRecursive())) {
      const words = await expectRefusal(bed.create(pod, { mounts }), status.UNIMPLEMENTED);
      expect(words).toMatch(/recursive|all that is mounted below/i);
      return;
    }
    const id = await bed.start(pod, { mounts });
    expect(await touch(id)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Read-only file system'),
    });
    expect((await bed.status(id)).mounts).toMatchObject(mounts);
  });

  itBeyondContainerd16('is so recursively with readonly and without propagation only', async () => {
    const pod = await runPrivileged();
    const mount = { hostPath: await withTmpfs(), containerPath: '/data', recursiveReadOnly: true };
    const cases = [
      { readonly: false },
      { readonly: true, propagation: PROPAGATION_HOST_TO_CONTAINER },
      { readonly: true, propagation: PROPAGATION_BIDIRECTIONAL },
    ];
    for (const each of cases) await expectRefusal(bed.create(pod, { mounts: [{ ...mount, ...each }] }));
  });
});

describe('an image as a volume', () => {
  const volume = { containerPath: '/image', readonly: true, image: { image: testImages.busybox } };
  let pod: CriPod;

  /** Starts a container with it; undefined where the runtime refuses such volumes in so many words. */
  const start = (mount: object) => unlessUnsupported(bed.start(pod, { mounts: [mount] }));

  itBeyondContainerd16('is read-only, and its programs run; or there is none', async () => {
    pod = await bed.runPod();
    const id = await start(volume);
    if (id === undefined) return;
    expect(await bed.output(id, '/image/bin/ls', '/image/bin/sh')).toBe('/image/bin/sh\n');
    expect(await bed.exec(id, 'touch', '/image/x')).toMatchObject({ exitCode: 1 });
    const { imageRef } = await bed.images.pullImage({ image: volume.image });
    const { mounts } = await bed.status(id);
    expect(mounts).toMatchObject([{ containerPath: '/image', readonly: true }]);
    expect(['', imageRef]).toContain(mounts[0]?.image?.imageRef);
  });

  itBeyondContainerd16('may be a directory of it; or there is none', async () => {
    pod = await bed.runPod();
    const id = await start({ ...volume, imageSubPath: 'etc' });
    if (id === undefined) return;
    expect(await bed.output(id, 'ls', '/image/passwd')).toBe('/image/passwd\n');
  });

  itBeyondContainerd16('is refused when it is to be written, or the directory is not there', async () => {
    pod = await bed.runPod();
    await expectRefusal(bed.create(pod, { mounts: [{ ...volume, readonly: false }] }));
    await expectRefusal(bed.start(pod, { mounts: [{ ...volume, imageSubPath: 'not/there' }] }));
  });
});
