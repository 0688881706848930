import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, PodwrightError, systemErrorCode } from '@podwright/core';
import { HostExecutor, Mounter, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { ImageStore, type StoredImage } from './image-store.js';
import { ImagesOptions } from './images-options.js';
import { lowerDirsFrom } from './lower-dirs.js';
import { StoreLocks } from './store-locks.js';

/** An image's files at a directory of the host. */
export interface MountedImage {
  /** Directory on the host. */
  readonly target: string;
  /** `Image.id`. */
  readonly imageId: string;
  /** By which it was asked for; absent for a mount of an older agent, which did not note it. */
  readonly reference?: string;
}

/** Shows the files of images on the host, read-only: what volumes of the type `image` are made of. */
export interface ImageMounter {
  /**
   * Mounts an image that is in the store. The same image at the same place again: nothing. While it is mounted,
   * the image is in use, also after the agent was started anew.
   * @param reference any form that `ImageService.imageStatus` takes
   * @param target absolute path of a directory on the host, made when it is not there
   * @throws PodwrightError kind `image-not-found`, `already-exists` (another image is mounted there), `unsupported` (an
   *   image without layers), `command-failed`, `permission-denied`
   */
  mount(reference: string, target: string, options?: CallOptions): Promise<MountedImage>;
  /** Takes the mount away and removes the directory. Of one that is gone: nothing. @throws PodwrightError kind `in-use` */
  unmount(target: string, options?: CallOptions): Promise<void>;
  /** What is mounted by agents with this run directory. */
  list(): Promise<readonly MountedImage[]>;
}

export const ImageMounter: ServiceIdentifier<ImageMounter> = Symbol.for('podwright.images.ImageMounter');

/** Mounts the layers themselves as a read-only overlay; a single layer by a read-only bind mount. */
@injectable()
export class OverlayImageMounter implements ImageMounter {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(Mounter) private readonly mounter: Mounter,
    @inject(ImageStore) private readonly store: ImageStore,
    @inject(StoreLocks) private readonly locks: StoreLocks,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
  ) {}

  async mount(reference: string, target: string, options: CallOptions = {}): Promise<MountedImage> {
    if (!target.startsWith('/')) {
      throw new PodwrightError('invalid-argument', `"${target}" is no absolute path to mount an image at.`);
    }
    const found = await this.#resolve(reference, options);
    using _lease = await this.locks.shared([found.image.id], options.signal);
    const { image, lowerDirs } = await this.#resolve(found.image.id, options);
    const mounted = { target, imageId: image.id, reference };
    const there = (await this.list()).find((one) => one.target === target);
    if (there !== undefined) {
      if (there.imageId === image.id) return there;
      throw new PodwrightError(
        'already-exists',
        `The image ${there.imageId} is mounted at ${target}: unmount it before ${reference} is mounted there.`,
        { details: { ...there } },
      );
    }
    await mkdir(this.executor.hostPath(target), { recursive: true });
    await mkdir(this.executor.hostPath(this.#recordDir), { recursive: true, mode: 0o700 });
    // The record first: an agent killed in between leaves one that `list` finds without a mount.
    await writeFileAtomic(
      this.executor.hostPath(this.#recordPath(target)),
      JSON.stringify({ version: 1, ...mounted }),
    );
    try {
      await this.#mountLayers(lowerDirs, target, options);
    } catch (error) {
      await this.unmount(target);
      throw error;
    }
    return mounted;
  }

  async unmount(target: string, options: CallOptions = {}): Promise<void> {
    await this.mounter.unmountIfMounted(target, options);
    await rmdir(this.executor.hostPath(target)).catch((error: unknown) => {
      if (!['ENOENT', 'ENOTEMPTY'].includes(systemErrorCode(error))) throw error;
    });
    await rm(this.executor.hostPath(this.#recordPath(target)), { force: true });
  }

  async list(): Promise<readonly MountedImage[]> {
    const directory = this.executor.hostPath(this.#recordDir);
    const names = await readdir(directory).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    });
    const records: MountedImage[] = [];
    for (const name of names.filter((one) => one.endsWith('.json') && !one.startsWith('.'))) {
      const record = parseRecord(await readFile(join(directory, name), 'utf8').catch(() => ''));
      if (record !== undefined) records.push(record);
    }
    if (records.length === 0) return [];
    const targets = new Set((await this.mounter.list()).map(({ path }) => path));
    return records.filter(({ target }) => targets.has(target));
  }

  async #resolve(reference: string, options: CallOptions): Promise<StoredImage> {
    const stored = await this.store.resolve(reference, options);
    if (stored !== undefined) return stored;
    throw new PodwrightError(
      'image-not-found',
      `The image ${reference} is not in the store of this host: pull it before it is mounted.`,
      { details: { image: reference } },
    );
  }

  async #mountLayers(lowerDirs: readonly string[], target: string, options: CallOptions): Promise<void> {
    const [only, ...more] = lowerDirs;
    if (only === undefined) {
      throw new PodwrightError('unsupported', 'The image has no layer, and so no files to be mounted.');
    }
    if (more.length === 0)
      await this.mounter.mount(only, target, undefined, ['bind', 'ro', 'nodev'], options);
    else {
      const lowerdir = `lowerdir=${lowerDirsFrom('/', lowerDirs)}`;
      await this.mounter.mount('podwright-image', target, 'overlay', ['ro', 'nodev', lowerdir], options);
    }
  }

  get #recordDir(): string {
    return join(this.options.runDir, 'mounts');
  }

  #recordPath(target: string): string {
    return join(this.#recordDir, `${createHash('sha256').update(target).digest('hex')}.json`);
  }
}

/** Undefined for a record that is gone or that a crash of the host cut: its directory is on a tmpfs. */
function parseRecord(text: string): MountedImage | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const { target, imageId, reference }: Record<string, unknown> = { ...parsed };
    if (typeof target !== 'string' || typeof imageId !== 'string') return undefined;
    return { target, imageId, ...(typeof reference === 'string' ? { reference } : {}) };
  } catch {
    return undefined;
  }
}
