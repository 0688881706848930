import type { CallOptions, Image, ImageFsInfo, OciImageConfig } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';

/** An image with all that a container needs to be made of it. */
export interface StoredImage {
  readonly image: Image;
  readonly config: OciImageConfig;
  /**
   * Absolute paths on the host of the layers, uppermost first: in the order that overlay's `lowerdir=` wants. Empty
   * for an image without layers.
   */
  readonly lowerDirs: readonly string[];
}

/** A layer as the store has it. */
export interface StoredLayer {
  /** The store's own id. */
  readonly id: string;
  /** Id of the layer below; absent for the lowest. */
  readonly parent?: string;
  /** Digest of the layer's tar file, `sha256:…`. */
  readonly diffDigest?: string;
  /** Digest of the blob that it was pulled as, `sha256:…`. */
  readonly compressedDigest?: string;
  /** Size of the layer's tar file. */
  readonly sizeBytes: number;
  /** Whether an image or a container of the store stands on it. */
  readonly used: boolean;
}

/** Where skopeo copies an image to. */
export interface CopyTarget {
  /** Skopeo's name for it, such as `containers-storage:docker.io/library/busybox:1.36`. */
  readonly destination: string;
  /** Environment that skopeo needs for it. */
  readonly env: Readonly<Record<string, string>>;
}

/** What the store's lists say of an image; known of a damaged one too. */
export interface StoredRecord {
  /** As `Image.id`. */
  readonly id: string;
  /** Every name the image has, as the store writes it. */
  readonly names: readonly string[];
  /** Uppermost first, down to the first one that is missing. */
  readonly layers: readonly StoredLayer[];
}

/**
 * The images of one host. Others (podman, buildah, CRI-O) may read and write the same store at any time; every answer
 * is what the store held at one moment.
 */
export interface ImageStore {
  /**
   * The image of a name, a name with digest, an id (`sha256:…` or 64 hexadecimal digits), the beginning of an id (12
   * digits or more), or the digest of a manifest; undefined when it is not there.
   * @throws PodwrightError kind `invalid-argument` (no reference; an ambiguous beginning of an id), `corrupt-state`,
   *   `unsupported` (the store's driver is not overlay), `missing-requirement`
   */
  resolve(reference: string, options?: CallOptions): Promise<StoredImage | undefined>;
  /** Every image, newest first. @throws as `resolve` */
  list(options?: CallOptions): Promise<readonly StoredImage[]>;
  /** An image's names and layers, found as by `resolve`. @throws as `resolve`, but for a damaged image */
  find(reference: string, options?: CallOptions): Promise<StoredRecord | undefined>;
  /** Every layer of the store, also those that no image uses. */
  allLayers(options?: CallOptions): Promise<readonly StoredLayer[]>;
  /** @param name a full name, `@` with an image's hexadecimal id for an image without a name */
  copyTarget(name: string, options?: CallOptions): Promise<CopyTarget>;
  /** Gives an image exactly these names. @throws PodwrightError kind `not-found` */
  setNames(imageId: string, names: readonly string[], options?: CallOptions): Promise<void>;
  /**
   * Removes an image and the layers that only it used. Of one that is gone: nothing.
   * @throws PodwrightError kind `in-use` when a container of the store itself (podman's) stands on it
   */
  delete(imageId: string, options?: CallOptions): Promise<void>;
  /** Removes a layer that nothing stands on; of one that is gone or is used again: nothing. */
  deleteLayer(layerId: string, options?: CallOptions): Promise<void>;
  /** Removes what a killed writer left half written; waits for writers that live. */
  removeUnfinished(options?: CallOptions): Promise<void>;
  /** Hot: says that layers may have come or gone, while it is subscribed to. Never errors. */
  readonly layerChanges: Observable<void>;
  /** Disk space of the images and of the file system below them. */
  usage(options?: CallOptions): Promise<ImageFsInfo>;
}

export const ImageStore: ServiceIdentifier<ImageStore> = Symbol.for('podwright.images.ImageStore');
