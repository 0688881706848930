import type { CallOptions } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';

/** What shows the files of images on the host, for volumes of the type `image`; `ImageMounter` of @podwright/images does. */
export interface VolumeImages {
  /** The same image at the same place again: nothing. @throws PodwrightError kind `image-not-found`, `unsupported` */
  mount(reference: string, target: string, options?: CallOptions): Promise<unknown>;
  /** Idempotent. */
  unmount(target: string, options?: CallOptions): Promise<void>;
  /** `reference`: by which it was asked for, where that is known. */
  list(): Promise<readonly { readonly target: string; readonly reference?: string }[]>;
}

export const VolumeImages: ServiceIdentifier<VolumeImages> = Symbol.for('podwright.sandbox.VolumeImages');
