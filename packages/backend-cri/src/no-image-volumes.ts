import { unsupportedField } from '@podwright/core';
import type { VolumeImages } from '@podwright/sandbox';
import { injectable } from 'inversify';
import { unsupportedFields } from './unsupported-fields.js';

/** The runtime's images are in its own store, whose layers only it can mount. */
@injectable()
export class NoImageVolumes implements VolumeImages {
  async mount(reference: string): Promise<never> {
    throw unsupportedField(
      unsupportedFields.imageVolumes,
      `The image ${reference} cannot be a volume on this backend: copy what is needed with an init container of it.`,
    );
  }

  async unmount(): Promise<void> {
    // There is none.
  }

  async list(): Promise<readonly []> {
    return [];
  }
}
