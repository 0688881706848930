import { Logger, messageOf, PodwrightError } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ImageStore, type StoredLayer } from './image-store.js';
import { digestsOf } from './pull-progress.js';
import { StoreLocks } from './store-locks.js';

/** Removes what a copy that ended early had put into the store: the layers it had begun or finished, which no image uses. */
@injectable()
export class LeftoverLayers {
  constructor(
    @inject(ImageStore) private readonly store: ImageStore,
    @inject(StoreLocks) private readonly locks: StoreLocks,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * Never fails: the copy's own error matters more, and the layers serve the next pull of the image.
   * @param digests of the image's layers; another pull that shares one is waited for, as it may use them by then
   * @param before the store's layers when the copy began
   */
  async remove(digests: readonly string[], before: readonly StoredLayer[]): Promise<void> {
    try {
      using _lease = await this.locks.exclusive(digests);
      await this.removeLayers(
        digests,
        before.map(({ id }) => id),
      );
    } catch (error) {
      this.logger.warn('layers of an unfinished copy could not be removed', { error: messageOf(error) });
    }
  }

  /**
   * What `remove` does, for a copy of a process that is gone.
   * @param before ids of the store's layers when the copy began
   * @throws PodwrightError kind `in-use` when a pull that shares a layer is under way: it may use them by then
   */
  async removeOfBroken(digests: readonly string[], before: readonly string[]): Promise<void> {
    using lease = this.locks.tryExclusive(digests);
    if (lease === undefined) {
      throw new PodwrightError(
        'in-use',
        'An image that shares its layers is being pulled: collect again after that.',
      );
    }
    await this.removeLayers(digests, before);
  }

  private async removeLayers(digests: readonly string[], before: readonly string[]): Promise<void> {
    const known = new Set(before);
    const own = new Set(digests);
    const isLeftover = (layer: StoredLayer) =>
      !layer.used && !known.has(layer.id) && [...digestsOf([layer])].some((digest) => own.has(digest));
    await this.store.removeUnfinished();
    for (;;) {
      const leftovers = (await this.store.allLayers()).filter(isLeftover);
      const top = leftovers.find((layer) => leftovers.every(({ parent }) => parent !== layer.id));
      if (top === undefined) return;
      await this.store.deleteLayer(top.id);
    }
  }
}
