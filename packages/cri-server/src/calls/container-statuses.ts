import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type CallOptions,
  type ContainerStatus,
  type Image,
  ImageService,
  PodwrightError,
} from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { toCriContainerStatus } from '../mapping/to-cri-container.js';

type CriContainerStatus = MessageInitShape<typeof cri.ContainerStatusSchema>;

/** Containers with what the image store knows of their images. */
@injectable()
export class ContainerStatuses {
  constructor(
    @inject(ImageService) private readonly images: Pick<ImageService, 'imageStatus' | 'listImages'>,
  ) {}

  async toCri(status: ContainerStatus, options: CallOptions): Promise<CriContainerStatus> {
    return toCriContainerStatus(status, await this.#image(status.imageId, options));
  }

  async allToCri(
    statuses: readonly ContainerStatus[],
    options: CallOptions,
  ): Promise<readonly CriContainerStatus[]> {
    if (statuses.length === 0) return [];
    const images = new Map((await this.images.listImages(options)).map((image) => [image.id, image]));
    return statuses.map((status) => toCriContainerStatus(status, images.get(status.imageId)));
  }

  /** One that is damaged is as good as gone, as it is in lists: a container that runs is not to be lost for it. */
  async #image(id: string, options: CallOptions): Promise<Image | undefined> {
    try {
      return await this.images.imageStatus(id, options);
    } catch (error) {
      if (PodwrightError.is(error, 'corrupt-state')) return undefined;
      throw error;
    }
  }
}
