import { createHash } from 'node:crypto';
import { Logger, messageOf, PodwrightError } from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { ImageUsers } from './image-users.js';
import { ImagesOptions } from './images-options.js';
import { StorageCommand } from './storage-command.js';
import { StoreFiles } from './store-files.js';
import { StoreLocks } from './store-locks.js';
import type { ContainerRecord } from './store-records.js';

/** Marks images in the store itself as used, so that podman, buildah and other agents do not remove them. */
export interface ImagePins {
  /**
   * Call it when a container is made of the image; one pin serves all of them. Need not be waited for. Never fails:
   * what goes wrong is logged, and the image then lacks this protection only.
   * @param imageId `Image.id`
   */
  hold(imageId: string): Promise<void>;
  /** Takes the pin of this agent away; of one that is not there: nothing. The caller has the image to itself. @throws PodwrightError kind `command-failed` */
  release(imageId: string): Promise<void>;
  /** `Image.id`s of images that are pinned by this agent and that nobody uses (`ImageUsers`). */
  unused(): Promise<readonly string[]>;
  /** Takes the pin of an image away, unless somebody uses it by now. @throws PodwrightError kind `command-failed` */
  releaseUnused(imageId: string): Promise<void>;
}

export const ImagePins: ServiceIdentifier<ImagePins> = Symbol.for('podwright.images.ImagePins');

/** The beginning of the names of all pins. */
export const PIN_PREFIX = 'podwright-pin-';

/**
 * A pin is a container of containers/storage without a process: `podman image prune` and `podman rmi` spare its image,
 * `podman ps --external` shows it. Its name tells which agent's it is, by the run directory; agents that share a store
 * have pins of their own.
 */
@injectable()
export class ContainersStorageImagePins implements ImagePins {
  readonly #holding = new Map<string, Promise<void>>();

  constructor(
    @inject(StorageCommand) private readonly storage: StorageCommand,
    @inject(StoreFiles) private readonly files: StoreFiles,
    @inject(StoreLocks) private readonly locks: StoreLocks,
    @inject(ImageUsers) private readonly users: ImageUsers,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  hold(imageId: string): Promise<void> {
    const running = this.#holding.get(imageId);
    if (running !== undefined) return running;
    const fresh = this.#hold(imageId)
      .catch((error: unknown) => {
        this.logger.warn('an image in use could not be marked as such in the image store', {
          imageId,
          error: messageOf(error),
        });
      })
      .finally(() => this.#holding.delete(imageId));
    this.#holding.set(imageId, fresh);
    return fresh;
  }

  async release(imageId: string): Promise<void> {
    const pin = await this.#find(imageId);
    if (pin === undefined) return;
    const { exitCode, stderr } = await this.storage.run('delete-container', [pin.id], { anyExitCode: true });
    if (exitCode === 0 || (await this.#find(imageId)) === undefined) return;
    throw new PodwrightError(
      'command-failed',
      `The mark of use of the image ${imageId} cannot be removed: ${stderr.toString('utf8').trim()}`,
      { details: { imageId, exitCode } },
    );
  }

  async unused(): Promise<readonly string[]> {
    const unused: string[] = [];
    for (const pin of (await this.files.containers()).filter((container) => this.#isOurs(container))) {
      const imageId = `sha256:${pin.image ?? ''}`;
      if ((await this.users.users(imageId)).length === 0) unused.push(imageId);
    }
    return unused;
  }

  async releaseUnused(imageId: string): Promise<void> {
    // Somebody who makes a container of it just now keeps it.
    using lease = this.locks.tryExclusive([imageId]);
    if (lease === undefined || (await this.users.users(imageId)).length > 0) return;
    await this.release(imageId);
  }

  async #hold(imageId: string): Promise<void> {
    // A removal that has begun ends first; then there is no image to hold.
    using _lease = await this.locks.shared([imageId]);
    if ((await this.#find(imageId)) !== undefined) return;
    const id = hexOf(imageId);
    const { images } = await this.files.snapshot();
    if (!images.some((image) => image.id === id)) return;
    const metadata = JSON.stringify({ owner: 'podwright', runDir: this.options.runDir });
    await this.storage.run('create-container', ['-n', this.#name(imageId), '-m', metadata, id]);
  }

  async #find(imageId: string): Promise<ContainerRecord | undefined> {
    const name = this.#name(imageId);
    return (await this.files.containers()).find(({ names }) => names?.includes(name));
  }

  #isOurs({ names }: ContainerRecord): boolean {
    return (names ?? []).some((name) => name.startsWith(this.#prefix));
  }

  #name(imageId: string): string {
    return `${this.#prefix}${hexOf(imageId)}`;
  }

  get #prefix(): string {
    const owner = createHash('sha256').update(this.options.runDir).digest('hex').slice(0, 12);
    return `${PIN_PREFIX}${owner}-`;
  }
}

function hexOf(imageId: string): string {
  return imageId.replace(/^sha256:/, '');
}
