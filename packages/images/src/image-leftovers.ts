import type { Orphan } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ImagePins } from './image-pins.js';
import { LeftoverLayers } from './leftover-layers.js';
import { PullNotes } from './pull-notes.js';
import { WorkDirs } from './work-dirs.js';

/**
 * Finds what killed agents left of their pulls, and marks of use of images that nobody uses. What others put into the
 * store is not looked at.
 */
@injectable()
export class ImageLeftovers {
  constructor(
    @inject(PullNotes) private readonly notes: PullNotes,
    @inject(LeftoverLayers) private readonly layers: LeftoverLayers,
    @inject(WorkDirs) private readonly workDirs: WorkDirs,
    @inject(ImagePins) private readonly pins: ImagePins,
  ) {}

  async find(): Promise<readonly Orphan[]> {
    const pulls = (await this.notes.broken()).map(({ path, reference, digests, layersBefore }) => ({
      what: `what was pulled of ${reference} before its agent ended (${path})`,
      remove: async () => {
        await this.layers.removeOfBroken(digests, layersBefore);
        await this.notes.remove(path);
      },
    }));
    const files = (await this.workDirs.leftovers()).map((path) => ({
      what: `files of a pull at ${path}`,
      remove: () => this.workDirs.removeLeftover(path),
    }));
    const pins = (await this.pins.unused()).map((imageId) => ({
      what: `mark of use of image ${imageId}`,
      remove: async () => {
        await this.pins.releaseUnused(imageId);
      },
    }));
    return [...pulls, ...files, ...pins];
  }
}
