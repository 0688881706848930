import type { ImageUsers } from '@podwright/images';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';

/** An image is in use while a container of it is there, running or not. */
@injectable()
export class ContainerImageUsers implements ImageUsers {
  constructor(@inject(ContainerStore) private readonly store: ContainerStore) {}

  async users(imageId: string): Promise<readonly string[]> {
    return this.store
      .list()
      .filter((record) => record.imageId === imageId)
      .map((record) => `container "${record.config.metadata.name}" (${record.id.slice(0, 12)})`);
  }
}
