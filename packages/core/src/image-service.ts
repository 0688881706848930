import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type { CallOptions } from './call-options.js';
import type { Image } from './model.js';
import type { OciImageConfig } from './oci-image-config.js';
import type { PullSecret } from './pull-secret.js';

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
}

export interface PullOptions {
  /** Credentials of this pull only; they are in no command line and in no file that others can read. */
  readonly auth?: RegistryAuth;
  /** Path of a file in the format of containers-auth.json(5), for this pull only. */
  readonly authFile?: string;
  /**
   * Pull secrets: those of them that fit the image are tried one after the other (`credentialsFor`), then what the host
   * has. Not asked when `auth` is given.
   */
  readonly credentials?: readonly PullSecret[];
}

/** Progress of a pull. `done` is the last event and carries the image. */
export type PullEvent =
  | { readonly type: 'resolving'; readonly reference: string }
  | {
      readonly type: 'layer';
      readonly digest: string;
      readonly state: 'downloading' | 'done' | 'present';
      /** Compressed size, where the manifest tells it. */
      readonly totalBytes?: number;
    }
  | { readonly type: 'storing' }
  | { readonly type: 'done'; readonly image: Image };

export interface ImageFsInfo {
  /** Where the store lies. */
  readonly mountpoint: string;
  readonly usedBytes: number;
  readonly inodesUsed: number;
  /** Of the whole file system below it. */
  readonly capacityBytes: number;
  readonly availableBytes: number;
}

/** What a backend does with images; shaped after the CRI's ImageService. */
export interface ImageService {
  /**
   * Cold: subscribing starts the pull, unsubscribing cancels it, the last event is `done`.
   * @param reference any form that docker takes: `busybox`, `host:5000/name:tag`, `name@sha256:…`
   * Errors: PodwrightError kind `invalid-argument`, `image-not-found`, `unauthorized`, `unreachable`, `no-space`,
   *   `signature-rejected` (the host's signature policy), `permission-denied`, `missing-requirement`
   */
  pullImage(reference: string, options?: PullOptions): Observable<PullEvent>;
  /** The image by name, digest or id; undefined when it is not there. */
  imageStatus(reference: string, options?: CallOptions): Promise<Image | undefined>;
  /** How the image says that it is to be run, found as by `imageStatus`. Absent where the backend cannot tell. */
  imageConfig?(reference: string, options?: CallOptions): Promise<OciImageConfig | undefined>;
  listImages(options?: CallOptions): Promise<readonly Image[]>;
  /**
   * Takes a name away, and the image with its last name; by id: all its names. Of one that is gone: nothing.
   * @throws PodwrightError kind `in-use` while a container of this backend needs it
   */
  removeImage(reference: string, options?: CallOptions): Promise<void>;
  /**
   * Loads an OCI or docker archive (a tar file, compressed or not) or an OCI layout directory.
   * @param path on the host
   * @param options `reference`: the name to give it; without it the archive's own names are used
   * @throws PodwrightError kind `not-found`, `invalid-argument` (no archive), `no-space`
   */
  loadImage(path: string, options?: CallOptions & { readonly reference?: string }): Promise<readonly Image[]>;
  imageFsInfo(options?: CallOptions): Promise<ImageFsInfo>;
  /** Cancels what is under way, such as pulls. Called when the runtime is disposed of; not needed where nothing runs. */
  [Symbol.asyncDispose]?(): Promise<void>;
}

export const ImageService: ServiceIdentifier<ImageService> = Symbol.for('podwright.core.ImageService');
