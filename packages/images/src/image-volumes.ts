import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, Logger, type Mount, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import type { StoredImage } from './image-store.js';
import { lowerDirOption } from './lower-dirs.js';

/** Makes the anonymous volumes that an image declares (`VOLUME`). */
export interface ImageVolumes {
  /**
   * Makes a directory for each path, with what the image has there: owner, mode and content, as docker does. A
   * path that leads over a link begins empty.
   * @param paths absolute, as `anonymousVolumes` gives them
   * @param directory on the host, the container's own, made when it is not there; whoever removes it removes the volumes
   * @returns the mounts, in the order of the paths. Again with the same directory: the same mounts, content kept
   * @throws PodwrightError kind `no-space`, `command-failed`
   */
  create(
    image: StoredImage,
    paths: readonly string[],
    directory: string,
    options?: CallOptions,
  ): Promise<readonly Mount[]>;
}

export const ImageVolumes: ServiceIdentifier<ImageVolumes> = Symbol.for('podwright.images.ImageVolumes');

const LINK_ON_THE_WAY = 3;
const NOT_IN_IMAGE = 4;

/**
 * Mounts the image where nobody else sees it, goes down the path part by part (`cd -P` follows a link, so a link is looked
 * for first), and copies. Written to a directory beside, which the caller renames.
 * Arguments: mount options, or `bind` and the only layer; target; a directory to mount at; the path.
 */
const SCRIPT = `set -eu
how=$1 what=$2 target=$3 root=$4 path=$5
if [ "$how" = bind ]; then mount --bind -- "$what" "$root"; else mount -t overlay -o "ro,lowerdir=$what" podwright-image "$root"; fi
cd -- "$root"
IFS=/; set -f
for part in \${path#/}; do
  if [ -L "./$part" ]; then exit ${LINK_ON_THE_WAY}; fi
  if [ ! -d "./$part" ]; then exit ${NOT_IN_IMAGE}; fi
  cd -P -- "./$part"
done
exec cp --archive --reflink=auto -- . "$target"
`;

/** Volumes in plain directories, filled from the layers of the image store. */
@injectable()
export class DirectoryImageVolumes implements ImageVolumes {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async create(
    image: StoredImage,
    paths: readonly string[],
    directory: string,
    options: CallOptions = {},
  ): Promise<readonly Mount[]> {
    const mounts = paths.map((containerPath, index) => ({
      hostPath: join(directory, String(index)),
      containerPath,
    }));
    for (const { hostPath, containerPath } of mounts) {
      if (await this.#isThere(hostPath)) continue;
      await this.#fill(image, containerPath, hostPath, directory, options);
    }
    return mounts;
  }

  async #fill(
    { image, lowerDirs }: StoredImage,
    path: string,
    hostPath: string,
    directory: string,
    options: CallOptions,
  ): Promise<void> {
    const [fresh, root] = [`${hostPath}.new`, join(directory, 'image')];
    await this.executor.run({ command: 'rm', args: ['-rf', '--', fresh] });
    for (const made of [fresh, root])
      await mkdir(this.executor.hostPath(made), { recursive: true, mode: 0o755 });
    const [only, ...more] = lowerDirs;
    if (only !== undefined) {
      const { cwd, lowerdir } = lowerDirOption(lowerDirs);
      const [how, what] = more.length === 0 ? ['bind', only] : ['overlay', lowerdir];
      await this.#copy([how, what, fresh, root, path], cwd, image.id, options);
    }
    await this.executor.run({ command: 'mv', args: ['--no-target-directory', '--', fresh, hostPath] });
    await this.executor.run({ command: 'rmdir', args: ['--', root] });
  }

  async #copy(args: readonly string[], cwd: string, imageId: string, options: CallOptions): Promise<void> {
    const path = args.at(-1);
    const { exitCode, stderr } = await this.executor.run({
      command: 'unshare',
      args: ['--mount', '--propagation', 'private', '--', 'sh', '-c', SCRIPT, 'sh', ...args],
      cwd,
      okExitCodes: 'any',
      ...options,
    });
    if (exitCode === 0 || exitCode === NOT_IN_IMAGE) return;
    if (exitCode === LINK_ON_THE_WAY) {
      this.logger.warn('a volume that an image declares lies behind a link, and begins empty', {
        imageId,
        path,
      });
      return;
    }
    const said = stderr.toString('utf8').trim();
    throw new PodwrightError(
      /No space left on device|Disk quota exceeded/.test(said) ? 'no-space' : 'command-failed',
      `The volume ${path} of the image ${imageId} cannot be filled: ${said}`,
      { details: { imageId, path, exitCode, stderr: said } },
    );
  }

  async #isThere(path: string): Promise<boolean> {
    return (
      (await this.executor.run({ command: 'test', args: ['-d', path], okExitCodes: [0, 1] })).exitCode === 0
    );
  }
}
