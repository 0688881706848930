import {
  type CallOptions,
  credentialsFor,
  formatImageReference,
  type Image,
  type ImageFsInfo,
  type ImageReference,
  type ImageService,
  type OciImageConfig,
  PodwrightError,
  type PullEvent,
  type PullOptions,
  parseImageReference,
  type RegistryAuth,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { Observable, type Subscriber } from 'rxjs';
import { type MemoryHost, MemoryHostToken } from './memory-host.js';
import {
  type ArchiveFiles,
  filesOfArchive,
  filesOfDirectory,
  readImageArchive,
} from './store/image-archive.js';
import type { ImageContent } from './store/image-store.js';

/** The image store of a simulated machine, and pulls from the registries of the simulation. */
@injectable()
export class MemoryImageService implements ImageService {
  constructor(@inject(MemoryHostToken) private readonly host: MemoryHost) {}

  pullImage(reference: string, options: PullOptions = {}): Observable<PullEvent> {
    return new Observable<PullEvent>((subscriber) => {
      const stop = new AbortController();
      this.#pull(reference, options, subscriber, stop.signal).catch((error: unknown) =>
        subscriber.error(error),
      );
      return () => stop.abort();
    });
  }

  async imageStatus(reference: string, options?: CallOptions): Promise<Image | undefined> {
    throwIfAborted(options?.signal);
    return this.host.images.status(reference);
  }

  async imageConfig(reference: string, options?: CallOptions): Promise<OciImageConfig | undefined> {
    throwIfAborted(options?.signal);
    const content = this.host.images.find(reference);
    return content && { config: content.config };
  }

  async listImages(options?: CallOptions): Promise<readonly Image[]> {
    throwIfAborted(options?.signal);
    return this.host.images.list();
  }

  async removeImage(reference: string, options?: CallOptions): Promise<void> {
    throwIfAborted(options?.signal);
    this.host.images.remove(reference, ({ id }) => {
      const volume = [...this.host.imageVolumes].find(([, image]) => image.id === id)?.[0];
      if (volume !== undefined) {
        throw new PodwrightError(
          'in-use',
          `Image ${reference} is in use by the volume at ${volume}. Remove its pod first.`,
          { details: { imageId: id, path: volume } },
        );
      }
      const user = [...this.host.containers.values()].find((container) => container.image.id === id);
      if (!user) return;
      throw new PodwrightError(
        'in-use',
        `Image ${reference} is in use by container ${user.config.metadata.name} (${user.id}). Remove that first.`,
        { details: { imageId: id, containerId: user.id } },
      );
    });
  }

  async loadImage(
    path: string,
    options: CallOptions & { readonly reference?: string } = {},
  ): Promise<readonly Image[]> {
    throwIfAborted(options.signal);
    const wanted = options.reference === undefined ? undefined : parseImageReference(options.reference);
    const loaded: Image[] = [];
    for (const { content, names } of readImageArchive(this.#archive(path), path)) {
      const references = wanted ? [wanted] : names.map(parseImageReference);
      if (references.length === 0) {
        throw new PodwrightError(
          'invalid-argument',
          `Archive ${path} names no image. Give it a name with reference.`,
        );
      }
      for (const reference of references) this.host.images.add(content, reference);
      const image = this.host.images.status(content.id);
      if (image) loaded.push(image);
    }
    return loaded;
  }

  async imageFsInfo(options?: CallOptions): Promise<ImageFsInfo> {
    throwIfAborted(options?.signal);
    const { usedBytes, capacityBytes, count } = this.host.images;
    return {
      mountpoint: '/var/lib/images',
      usedBytes,
      inodesUsed: count,
      capacityBytes,
      availableBytes: capacityBytes - usedBytes,
    };
  }

  #archive(path: string): ArchiveFiles {
    const node = this.host.files.find(path);
    if (!node) {
      throw new PodwrightError('not-found', `There is no archive ${path} on the simulated host.`, {
        details: { path },
      });
    }
    return node.kind === 'directory' ? filesOfDirectory(node) : filesOfArchive(node.data, path);
  }

  async #pull(
    reference: string,
    options: PullOptions,
    subscriber: Subscriber<PullEvent>,
    signal: AbortSignal,
  ): Promise<void> {
    const parsed = parseImageReference(reference);
    subscriber.next({ type: 'resolving', reference: formatImageReference(parsed) });
    if (this.host.pullMs > 0) await this.host.clock.sleep(this.host.pullMs, signal);
    const content = this.#resolve(reference, parsed, options);
    const layer = { type: 'layer', digest: content.digest, totalBytes: content.sizeBytes } as const;
    if (this.host.images.find(content.id)) subscriber.next({ ...layer, state: 'present' });
    else {
      subscriber.next({ ...layer, state: 'downloading' });
      subscriber.next({ ...layer, state: 'done' });
    }
    subscriber.next({ type: 'storing' });
    subscriber.next({ type: 'done', image: this.host.images.add(content, parsed) });
    subscriber.complete();
  }

  /** Asks with one credential after the other, as the other backends do: given ones, pull secrets, then the auth file. */
  #resolve(reference: string, parsed: ImageReference, options: PullOptions): ImageContent {
    const { auth, authFile, credentials = [] } = options;
    if (auth && authFile !== undefined) {
      throw new PodwrightError('invalid-argument', 'auth and authFile exclude each other: give one of them.');
    }
    const ofFile = authFile === undefined ? [] : this.#authFromFile(authFile, reference);
    const tried: readonly RegistryAuth[] = auth
      ? [auth]
      : [...credentialsFor(reference, credentials), ...ofFile];
    for (const candidate of tried.slice(0, -1)) {
      try {
        return this.host.registries.resolve(parsed, candidate);
      } catch (error) {
        if (!PodwrightError.is(error, 'unauthorized')) throw error;
      }
    }
    return this.host.registries.resolve(parsed, tried.at(-1));
  }

  /** Credentials for an image out of a file in the format of containers-auth.json(5), on the simulated host. */
  #authFromFile(path: string, reference: string): readonly RegistryAuth[] {
    let content: string;
    try {
      content = this.host.files.readFile(path).toString('utf8');
    } catch (error) {
      const message = `Auth file ${path} is not there on the simulated host.`;
      throw new PodwrightError('invalid-argument', message, { cause: error, details: { path } });
    }
    return credentialsFor(reference, [{ type: 'kubernetes.io/dockerconfigjson', content, name: path }]);
  }
}
