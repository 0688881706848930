import type { ImageUsers } from '@podwright/images';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { StateLoader } from './state-loader.js';

/** An image is in use while a container of it is there, running or not. */
@injectable()
export class ContainerImageUsers implements ImageUsers {
  constructor(
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(StateLoader) private readonly state: StateLoader,
  ) {}

  async users(imageId: string): Promise<readonly string[]> {
    await this.state.refresh();
    return this.store
      .list()
      .filter((record) => record.imageId === imageId)
      .map((record) => `container "${record.config.metadata.name}" (${record.id.slice(0, 12)})`);
  }
}
