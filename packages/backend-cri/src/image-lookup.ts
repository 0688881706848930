import {
  type CallOptions,
  declaredVolumes,
  type Image,
  type OciImageConfig,
  PodwrightError,
  parseImageReference,
} from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { object, parse } from './container-info.js';
import { CriConnection } from './cri-connection.js';
import { toNumber } from './cri-numbers.js';
import { RuntimeFacts } from './runtime-facts.js';
import { type ImageUser, imageUser } from './to-cri-security.js';

/** What a container needs to know of its image. */
export interface FoundImage {
  readonly id: string;
  readonly user: ImageUser;
  /** Absent: the runtime does not tell. */
  readonly hasCommand?: boolean;
}

/** What runtimes tell of an image's configuration when they are asked to be verbose; it never changes. */
interface ImageDetails {
  readonly config?: OciImageConfig;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs?: number;
}

const ID = /^(sha256:)?[a-f0-9]{64}$/;

/** Finds images in the runtime's store. */
@injectable()
export class ImageLookup {
  private readonly details = new Map<string, ImageDetails>();

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(RuntimeFacts) private readonly facts: RuntimeFacts,
  ) {}

  /** @throws PodwrightError kind `invalid-argument` for what is no reference */
  async find(reference: string, options: CallOptions = {}): Promise<FoundImage | undefined> {
    const found = await this.ask(reference, options);
    if (!found) return undefined;
    const { image, details } = found;
    const uid = toNumber(image.uid);
    const { Entrypoint, Cmd, User } = details.config?.config ?? {};
    return {
      id: image.id,
      user: imageUser(User ?? (image.username || String(uid ?? ''))),
      ...(details.config === undefined
        ? {}
        : { hasCommand: (Entrypoint ?? []).length + (Cmd ?? []).length > 0 }),
    };
  }

  async image(reference: string, options: CallOptions = {}): Promise<Image | undefined> {
    const found = await this.ask(reference, options);
    return found && this.toImage(found.image, found.details);
  }

  /** Where the runtime tells it. */
  async config(reference: string, options: CallOptions): Promise<OciImageConfig | undefined> {
    return (await this.ask(reference, options))?.details.config;
  }

  async list(options: CallOptions): Promise<readonly Image[]> {
    const { images } = await this.connection.call(
      'The images cannot be listed',
      ({ images: service }, call) => service.listImages({}, call),
      options,
    );
    const all = await Promise.all(
      images.map(async (image) => {
        const details = this.details.get(image.id);
        return details ? this.toImage(image, details) : await this.image(image.id, options);
      }),
    );
    return all.filter((image) => image !== undefined).sort((a, b) => a.id.localeCompare(b.id));
  }

  private toImage(image: cri.Image, { config, labels, createdAtMs }: ImageDetails): Image {
    const uid = toNumber(image.uid);
    const volumes = declaredVolumes(config?.config);
    const { sandboxImage } = this.facts;
    const pinned = image.pinned || image.repoTags.some((tag) => tag === sandboxImage);
    return {
      id: image.id,
      repoTags: image.repoTags,
      repoDigests: image.repoDigests,
      sizeBytes: Number(image.size),
      ...(createdAtMs === undefined ? {} : { createdAtMs }),
      // Runtimes give user 0 for an image without a user.
      ...(uid === undefined || image.username !== '' ? {} : { uid }),
      ...(image.username === '' ? {} : { username: image.username }),
      labels,
      ...(pinned ? { pinned: true } : {}),
      ...(volumes.length === 0 ? {} : { volumes }),
    };
  }

  private async ask(reference: string, options: CallOptions) {
    if (!ID.test(reference)) parseImageReference(reference);
    const response = await this.connection.callIfThere(
      `The image ${reference} cannot be looked up`,
      ({ images }, call) => images.imageStatus({ image: { image: reference }, verbose: true }, call),
      options,
    );
    const { image } = response ?? {};
    if (!response || !image) return undefined;
    if (image.id === '') throw new PodwrightError('internal', `The image ${reference} has no id.`);
    const details = detailsOf(response.info);
    this.details.set(image.id, details);
    return { image, details };
  }
}

/** containerd and CRI-O: the image's configuration as `imageSpec`, with the names of the OCI image-spec. */
function detailsOf(info: { readonly [key: string]: string }): ImageDetails {
  const spec = object(parse(info['info'])?.['imageSpec']);
  const execution = object(spec?.['config']);
  const created = typeof spec?.['created'] === 'string' ? Date.parse(spec['created']) : Number.NaN;
  const labels = Object.entries(object(execution?.['Labels']) ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return {
    ...(spec === undefined ? {} : { config: spec as OciImageConfig }),
    labels: Object.fromEntries(labels),
    ...(Number.isNaN(created) ? {} : { createdAtMs: created }),
  };
}
