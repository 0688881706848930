import {
  type CallOptions,
  type Image,
  type ImageFsInfo,
  type ImageService,
  PodwrightError,
  type PullEvent,
  type PullOptions,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import type { Observable } from 'rxjs';
import { ArchiveLoader } from './archive-loader.js';
import { namesAfterRemoval } from './image-lookup.js';
import { ImageStore } from './image-store.js';
import { ImageUsers } from './image-users.js';
import { SharedPulls } from './shared-pulls.js';
import { StoreLocks } from './store-locks.js';

/** Images by skopeo and an `ImageStore`. Disposing of it cancels running pulls and waits for their end. */
@injectable()
export class SkopeoImageService implements ImageService {
  constructor(
    @inject(ImageStore) private readonly store: ImageStore,
    @inject(ImageUsers) private readonly users: ImageUsers,
    @inject(StoreLocks) private readonly locks: StoreLocks,
    @inject(SharedPulls) private readonly pulls: SharedPulls,
    @inject(ArchiveLoader) private readonly loader: ArchiveLoader,
  ) {}

  pullImage(reference: string, options: PullOptions = {}): Observable<PullEvent> {
    return this.pulls.pull(reference, options);
  }

  async imageStatus(reference: string, options: CallOptions = {}): Promise<Image | undefined> {
    return (await this.store.resolve(reference, options))?.image;
  }

  async listImages(options: CallOptions = {}): Promise<readonly Image[]> {
    return (await this.store.list(options)).map(({ image }) => image);
  }

  async removeImage(reference: string, options: CallOptions = {}): Promise<void> {
    for (;;) {
      const found = await this.store.resolve(reference, options);
      if (found === undefined) return;
      const { id } = found.image;
      const keys = await this.#keysOf(id, options);
      if (keys === undefined) continue;
      using _lease = await this.locks.exclusive(keys, options.signal);
      // While it waited, a pull may have given the name to another image.
      const now = await this.store.resolve(reference, options);
      if (now?.image.id !== id) continue;
      await this.#remove(id, reference, options);
      return;
    }
  }

  loadImage(
    path: string,
    options: CallOptions & { readonly reference?: string } = {},
  ): Promise<readonly Image[]> {
    return this.loader.load(path, options);
  }

  imageFsInfo(options: CallOptions = {}): Promise<ImageFsInfo> {
    return this.store.usage(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pulls.close();
  }

  async #remove(imageId: string, reference: string, options: CallOptions): Promise<void> {
    const names = (await this.store.names(imageId, options))?.names ?? [];
    const left = namesAfterRemoval(names, reference);
    if (left.length > 0) {
      await this.store.setNames(imageId, left, options);
      return;
    }
    const users = await this.users.users(imageId);
    if (users.length > 0) {
      throw new PodwrightError(
        'in-use',
        `The image ${reference} (${imageId}) is used by ${users.join(', ')}: remove what uses it first.`,
        { details: { imageId, users } },
      );
    }
    await this.store.delete(imageId, options);
  }

  /** Everything that a pull may count on while it runs; undefined when the image is gone meanwhile. */
  async #keysOf(imageId: string, options: CallOptions): Promise<readonly string[] | undefined> {
    try {
      const layers = await this.store.layers(imageId, options);
      const digests = layers.flatMap(({ diffDigest = [], compressedDigest = [] }) =>
        [diffDigest, compressedDigest].flat(),
      );
      return [imageId, ...digests];
    } catch (error) {
      if (PodwrightError.is(error, 'not-found')) return undefined;
      throw error;
    }
  }
}
