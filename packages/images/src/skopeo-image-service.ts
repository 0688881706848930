import {
  type CallOptions,
  type Image,
  type ImageFsInfo,
  type ImageService,
  type OciImageConfig,
  PodwrightError,
  type PullEvent,
  type PullOptions,
} from '@podwright/core';
import type { HostProgram, UsesHostPrograms } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { Observable } from 'rxjs';
import { ArchiveLoader } from './archive-loader.js';
import { namesAfterRemoval } from './image-lookup.js';
import { ImageMounter } from './image-mounter.js';
import { ImagePins } from './image-pins.js';
import { IMAGE_SERVICE_PROGRAMS } from './image-programs.js';
import { ImageStore, type StoredRecord } from './image-store.js';
import { ImageUsers } from './image-users.js';
import { digestsOf } from './pull-progress.js';
import { SharedPulls } from './shared-pulls.js';
import { StoreLocks } from './store-locks.js';

/** Images by skopeo and an `ImageStore`. Disposing of it cancels running pulls and waits for their end. */
@injectable()
export class SkopeoImageService implements ImageService, UsesHostPrograms {
  constructor(
    @inject(ImageStore) private readonly store: ImageStore,
    @inject(ImageUsers) private readonly users: ImageUsers,
    @inject(ImagePins) private readonly pins: ImagePins,
    @inject(ImageMounter) private readonly mounter: ImageMounter,
    @inject(StoreLocks) private readonly locks: StoreLocks,
    @inject(SharedPulls) private readonly pulls: SharedPulls,
    @inject(ArchiveLoader) private readonly loader: ArchiveLoader,
  ) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return IMAGE_SERVICE_PROGRAMS;
  }

  pullImage(reference: string, options: PullOptions = {}): Observable<PullEvent> {
    return this.pulls.pull(reference, options);
  }

  async imageStatus(reference: string, options: CallOptions = {}): Promise<Image | undefined> {
    return (await this.store.resolve(reference, options))?.image;
  }

  async imageConfig(reference: string, options: CallOptions = {}): Promise<OciImageConfig | undefined> {
    return (await this.store.resolve(reference, options))?.config;
  }

  async listImages(options: CallOptions = {}): Promise<readonly Image[]> {
    return (await this.store.list(options)).map(({ image }) => image);
  }

  async removeImage(reference: string, options: CallOptions = {}): Promise<void> {
    for (;;) {
      const found = await this.store.find(reference, options);
      if (found === undefined) return;
      using _lease = await this.locks.exclusive(whatPullsCountOn(found), options.signal);
      // While this waited, a pull may have given the name to another image.
      const now = await this.store.find(reference, options);
      if (now?.id === found.id) {
        await this.#remove(now, reference, options);
        return;
      }
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

  async #remove({ id, names }: StoredRecord, reference: string, options: CallOptions): Promise<void> {
    const left = namesAfterRemoval(names, reference);
    if (left.length > 0) {
      await this.store.setNames(id, left, options);
      return;
    }
    const mounted = (await this.mounter.list()).filter(({ imageId }) => imageId === id);
    const users = [...(await this.users.users(id)), ...mounted.map(({ target }) => `the mount at ${target}`)];
    if (users.length > 0) {
      throw new PodwrightError(
        'in-use',
        `The image ${reference} (${id}) is used by ${users.join(', ')}: remove what uses it first.`,
        { details: { imageId: id, users } },
      );
    }
    await this.pins.release(id);
    await this.store.delete(id, options);
  }
}

/** The keys of an image and of its layers, which a running pull expects to stay. */
function whatPullsCountOn({ id, layers }: StoredRecord): readonly string[] {
  return [id, ...digestsOf(layers)];
}
