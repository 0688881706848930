import { createHash } from 'node:crypto';
import {
  declaredVolumes,
  formatImageReference,
  type Image,
  type ImageReference,
  isPinned,
  type OciImageExecution,
  PodwrightError,
  parseImageReference,
} from '@podwright/core';
import type { DirectoryNode } from '../machine/file-tree.js';

/** An image's configuration and files, wherever they are kept. */
export interface ImageContent {
  readonly id: string;
  /** Of the manifest, by which registries know it. */
  readonly digest: string;
  readonly config: OciImageExecution;
  readonly root: DirectoryNode;
  readonly sizeBytes: number;
  readonly createdAtMs?: number;
}

interface StoredImage {
  readonly content: ImageContent;
  readonly tags: Set<string>;
  readonly digests: Set<string>;
}

export function digestOf(data: string | Buffer): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** The images that were pulled or loaded. */
export class ImageStore {
  readonly #images = new Map<string, StoredImage>();

  /** @param pinnedImages what garbage collection leaves alone, as `isPinned` reads it */
  constructor(
    readonly capacityBytes: number,
    private readonly pinnedImages: readonly string[] = [],
  ) {}

  get usedBytes(): number {
    return [...this.#images.values()].reduce((sum, { content }) => sum + content.sizeBytes, 0);
  }

  get count(): number {
    return this.#images.size;
  }

  list(): readonly Image[] {
    return [...this.#images.values()].map((image) => this.#toImage(image));
  }

  /** By name, digest, id or the beginning of an id (at least 6 digits, unambiguous). */
  find(reference: string): ImageContent | undefined {
    return this.#find(reference)?.content;
  }

  status(reference: string): Image | undefined {
    const image = this.#find(reference);
    return image && this.#toImage(image);
  }

  /** Gives a content a name; another image of that name loses it. @throws PodwrightError kind `no-space` */
  add(content: ImageContent, reference: ImageReference): Image {
    if (!this.#images.has(content.id) && this.usedBytes + content.sizeBytes > this.capacityBytes) {
      throw new PodwrightError(
        'no-space',
        `Image ${formatImageReference(reference)} of ${content.sizeBytes} bytes does not fit into the store: ` +
          `${this.capacityBytes - this.usedBytes} bytes are free. Remove images or raise imageCapacityBytes.`,
      );
    }
    const stored = this.#images.get(content.id) ?? { content, tags: new Set(), digests: new Set() };
    this.#images.set(content.id, stored);
    const { registry, repository, tag } = reference;
    if (tag !== undefined && reference.digest === undefined) {
      const name = formatImageReference({ registry, repository, tag });
      for (const other of this.#images.values()) other.tags.delete(name);
      stored.tags.add(name);
    }
    stored.digests.add(formatImageReference({ registry, repository, digest: content.digest }));
    return this.#toImage(stored);
  }

  /**
   * Takes a name away, and the image with its last name; by id: all of them. Of one that is gone: nothing.
   * @param beforeDelete called before the image itself goes; what it throws keeps it
   */
  remove(reference: string, beforeDelete: (content: ImageContent) => void): void {
    const image = this.#find(reference);
    if (!image) return;
    const name = this.#byId(reference) === image ? undefined : named(reference);
    // The digest names go with the last tag; one that was pulled by digest has only them.
    if (name !== undefined && [...image.tags].some((tag) => tag !== name)) {
      image.tags.delete(name);
      return;
    }
    beforeDelete(image.content);
    this.#images.delete(image.content.id);
  }

  #toImage(stored: StoredImage): Image {
    const image = toImage(stored);
    return isPinned(image, this.pinnedImages) ? { ...image, pinned: true } : image;
  }

  #find(reference: string): StoredImage | undefined {
    const byId = this.#byId(reference);
    if (byId) return byId;
    const parsed = parseImageReference(reference);
    const name = named(reference);
    return [...this.#images.values()].find((image) =>
      parsed.digest === undefined ? image.tags.has(name) : image.digests.has(name),
    );
  }

  #byId(reference: string): StoredImage | undefined {
    const exact = this.#images.get(reference) ?? this.#images.get(`sha256:${reference}`);
    if (exact || !/^[a-f0-9]{6,63}$/.test(reference)) return exact;
    const matches = [...this.#images].filter(([id]) => id.startsWith(`sha256:${reference}`));
    return matches.length === 1 ? matches[0]?.[1] : undefined;
  }
}

/** The name under which a reference is kept: by digest when it has one, whatever its tag. */
function named(reference: string): string {
  const { registry, repository, tag, digest } = parseImageReference(reference);
  return formatImageReference(
    digest === undefined
      ? { registry, repository, ...(tag === undefined ? {} : { tag }) }
      : { registry, repository, digest },
  );
}

function toImage({ content, tags, digests }: StoredImage): Image {
  const user = (content.config.User ?? '').split(':')[0] ?? '';
  const volumes = declaredVolumes(content.config);
  const owner = user === '' ? {} : /^[0-9]+$/.test(user) ? { uid: Number(user) } : { username: user };
  return {
    id: content.id,
    repoTags: [...tags].sort(),
    repoDigests: [...digests].sort(),
    sizeBytes: content.sizeBytes,
    ...(content.createdAtMs === undefined ? {} : { createdAtMs: content.createdAtMs }),
    ...owner,
    labels: content.config.Labels ?? {},
    ...(volumes.length === 0 ? {} : { volumes }),
  };
}
