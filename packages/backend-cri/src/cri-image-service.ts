import { readFile, statfs } from 'node:fs/promises';
import {
  type CallOptions,
  credentialsFor,
  type Image,
  type ImageFsInfo,
  type ImageService,
  messageOf,
  normalizeImageReference,
  type OciImageConfig,
  PodwrightError,
  type PullEvent,
  type PullOptions,
  type PullSecret,
  parseImageReference,
  type RegistryAuth,
  unsupportedField,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { Observable } from 'rxjs';
import { CriBackendOptions } from './backend-options.js';
import { CriConnection } from './cri-connection.js';
import { toNumber } from './cri-numbers.js';
import { ImageLookup } from './image-lookup.js';
import { StateRecords } from './state-records.js';
import { unsupportedFields } from './unsupported-fields.js';

/** The runtime's own store of images. */
@injectable()
export class CriImageService implements ImageService {
  private readonly ending = new AbortController();

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(ImageLookup) private readonly images: ImageLookup,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(CriBackendOptions) private readonly options: CriBackendOptions,
  ) {}

  /** The CRI tells nothing of a pull until it has ended. */
  pullImage(reference: string, options: PullOptions = {}): Observable<PullEvent> {
    return new Observable((subscriber) => {
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, this.ending.signal]);
      const pull = async () => {
        parseImageReference(reference);
        subscriber.next({ type: 'resolving', reference });
        const image = await this.pull(reference, options, signal);
        subscriber.next({ type: 'done', image });
        subscriber.complete();
      };
      pull().catch((error: unknown) => subscriber.error(error));
      return () => stop.abort();
    });
  }

  async imageStatus(reference: string, options: CallOptions = {}): Promise<Image | undefined> {
    return await this.images.image(reference, options);
  }

  async imageConfig(reference: string, options: CallOptions = {}): Promise<OciImageConfig | undefined> {
    return await this.images.config(reference, options);
  }

  async listImages(options: CallOptions = {}): Promise<readonly Image[]> {
    return await this.images.list(options);
  }

  async removeImage(reference: string, options: CallOptions = {}): Promise<void> {
    const image = await this.images.image(reference, options);
    if (!image) return;
    await this.records.refresh();
    const user = this.records.containers.all().find(({ imageId }) => imageId === image.id);
    if (user) {
      throw new PodwrightError(
        'in-use',
        `The image ${reference} is needed by container "${user.config.metadata.name}" (${user.id}): remove that first.`,
        { details: { containerId: user.id } },
      );
    }
    const others = image.repoTags.filter((tag) => tag !== nameOf(reference));
    if (image.id !== idOf(reference) && others.length > 0) {
      throw new PodwrightError(
        'unsupported',
        `The image ${reference} has other names too (${others.join(', ')}), and the CRI removes an image with all of them. ` +
          `Remove it by its id, ${image.id}, if that is wanted.`,
        { details: { id: image.id, others } },
      );
    }
    await this.connection.callIfThere(
      `The image ${reference} was not removed`,
      ({ images }, call) => images.removeImage({ image: { image: image.id } }, call),
      options,
    );
  }

  async loadImage(path: string): Promise<readonly Image[]> {
    throw unsupportedField(
      unsupportedFields.loadImage,
      `${path} cannot be loaded: the CRI has only pulls. Push the image to a registry and pull it, or load it with the ` +
        'runtime’s own command, such as ctr --namespace k8s.io images import.',
    );
  }

  async imageFsInfo(options: CallOptions = {}): Promise<ImageFsInfo> {
    const { imageFilesystems } = await this.connection.call(
      'What the images take cannot be asked',
      ({ images }, call) => images.imageFsInfo({}, call),
      options,
    );
    const [found] = imageFilesystems;
    const mountpoint = found?.fsId?.mountpoint;
    if (!found || !mountpoint) {
      throw new PodwrightError('internal', 'The runtime does not tell where its images lie.');
    }
    const { bsize, blocks, bavail } = await statfs(mountpoint);
    return {
      mountpoint,
      usedBytes: toNumber(found.usedBytes) ?? 0,
      inodesUsed: toNumber(found.inodesUsed) ?? 0,
      capacityBytes: bsize * blocks,
      availableBytes: bsize * bavail,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ending.abort(new PodwrightError('closed', 'The runtime was disposed of: make a new one.'));
  }

  private async pull(reference: string, options: PullOptions, signal: AbortSignal): Promise<Image> {
    const candidates = await credentialsOf(reference, options);
    for (const [index, auth] of candidates.entries()) {
      try {
        return await this.pullAs(reference, auth, signal);
      } catch (error) {
        const last = index === candidates.length - 1;
        if (last || !PodwrightError.is(error, 'unauthorized')) throw error;
      }
    }
    return await this.pullAs(reference, undefined, signal);
  }

  private async pullAs(
    reference: string,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
  ): Promise<Image> {
    const request = { image: { image: reference }, ...(auth ? { auth: { ...auth } } : {}) };
    const { imageRef } = await this.connection.call(
      `The image ${reference} was not pulled`,
      ({ images }, call) => images.pullImage(request, call),
      { signal, kind: 'pull', timeoutMs: this.options.pullTimeoutMs },
    );
    const image = await this.images.image(imageRef, { signal });
    if (image) return image;
    throw new PodwrightError('internal', `The image ${reference} was pulled, and is not in the store.`);
  }
}

/** In the order of trying; none: the runtime’s own. */
async function credentialsOf(
  reference: string,
  { auth, authFile, credentials = [] }: PullOptions,
): Promise<readonly RegistryAuth[]> {
  if (auth) return [auth];
  return [
    ...credentialsFor(reference, credentials),
    ...(authFile === undefined ? [] : credentialsFor(reference, [await readAuthFile(authFile)])),
  ];
}

async function readAuthFile(path: string): Promise<PullSecret> {
  try {
    return {
      type: 'kubernetes.io/dockerconfigjson',
      content: await readFile(path, 'utf8'),
      name: path,
    };
  } catch (cause) {
    throw new PodwrightError(
      'invalid-argument',
      `The file ${path} with credentials cannot be read: ${messageOf(cause)}`,
      { cause, details: { path } },
    );
  }
}

/** An id, with `sha256:` in front; other references have none. */
function idOf(reference: string): string | undefined {
  const hash = /^(?:sha256:)?([a-f0-9]{64})$/.exec(reference)?.[1];
  return hash === undefined ? undefined : `sha256:${hash}`;
}

function nameOf(reference: string): string | undefined {
  return idOf(reference) === undefined ? normalizeImageReference(reference) : undefined;
}
