import type { ServiceIdentifier } from 'inversify';

/** How images are pulled for pods. */
export interface ImagePullOptions {
  /**
   * Pulls that run at once for pods and `ensureImage`. Default 1, as the kubelet has it (`serializeImagePulls`): one after the
   * other, so that a slow registry keeps the pulls behind it waiting, but no two share the line and the disk.
   */
  readonly maxParallelPulls?: number;
}

export const ImagePullOptions: ServiceIdentifier<ImagePullOptions> = Symbol.for(
  'podwright.pods.ImagePullOptions',
);
