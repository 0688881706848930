import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, type ImageFsInfo, Logger, PodwrightError } from '@podwright/core';
import { HostExecutor, type HostProgram, type UsesHostPrograms } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { Observable } from 'rxjs';
import { parseImageConfig } from './image-config.js';
import { findImage } from './image-lookup.js';
import { PIN_PREFIX } from './image-pins.js';
import { IMAGE_STORE_PROGRAMS } from './image-programs.js';
import type { CopyTarget, ImageStore, StoredImage, StoredLayer, StoredRecord } from './image-store.js';
import { ImagesOptions } from './images-options.js';
import { StorageCommand } from './storage-command.js';
import { type InStore, StoreFiles, type StoreSnapshot } from './store-files.js';
import {
  type ContainerRecord,
  configKey,
  type ImageRecord,
  type LayerRecord,
  layerChain,
  layersBelow,
} from './store-records.js';
import { StoreUsage } from './store-usage.js';
import { toImage } from './to-image.js';

/**
 * The store of containers/storage with its overlay driver, shared with podman, buildah and CRI-O. Reads the store's
 * files; writes through the command `containers-storage`.
 */
@injectable()
export class ContainersStorageImageStore implements ImageStore, UsesHostPrograms {
  /** Records are parsed anew only when the store changed, so they are good keys. */
  readonly #images = new WeakMap<InStore<ImageRecord>, Promise<StoredImage>>();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(StorageCommand) private readonly storage: StorageCommand,
    @inject(StoreFiles) private readonly files: StoreFiles,
    @inject(StoreUsage) private readonly disk: StoreUsage,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return IMAGE_STORE_PROGRAMS;
  }

  async resolve(reference: string): Promise<StoredImage | undefined> {
    for (;;) {
      const snapshot = await this.files.snapshot();
      const record = findImage(snapshot.images, reference);
      if (record === undefined) return undefined;
      const image = await this.#readUnlessGone(record, snapshot);
      if (image !== undefined) return image;
    }
  }

  async list(): Promise<readonly StoredImage[]> {
    const snapshot = await this.files.snapshot();
    const images: StoredImage[] = [];
    for (const record of snapshot.images) {
      try {
        const image = await this.#readUnlessGone(record, snapshot);
        if (image !== undefined) images.push(image);
      } catch (error) {
        if (!PodwrightError.is(error, 'corrupt-state')) throw error;
        this.logger.warn('an image of the store is damaged and left out of the list', {
          imageId: record.id,
          error: error.message,
        });
      }
    }
    return images.sort((a, b) => (b.image.createdAtMs ?? 0) - (a.image.createdAtMs ?? 0));
  }

  async find(reference: string): Promise<StoredRecord | undefined> {
    const { images, layers } = await this.files.snapshot();
    const record = findImage(images, reference);
    if (record === undefined) return undefined;
    return {
      id: `sha256:${record.id}`,
      names: record.names ?? [],
      layers: layerChain(record.layer, layers).layers.map((layer) => toStoredLayer(layer, true)),
    };
  }

  async allLayers(): Promise<readonly StoredLayer[]> {
    const { images, layers } = await this.files.snapshot();
    const containers = await this.files.containers();
    const used = layersBelow(
      [...images, ...containers].map((user) => user.layer),
      layers,
    );
    return [...layers.values()].map((layer) => toStoredLayer(layer, used.has(layer.id)));
  }

  async copyTarget(name: string): Promise<CopyTarget> {
    // Another driver has to fail here, and not after the download.
    await this.storage.location();
    return { destination: `${this.storage.transport}${name}`, env: this.storage.env };
  }

  async setNames(imageId: string, names: readonly string[], options: CallOptions = {}): Promise<void> {
    const record = await this.#byId(imageId);
    if (record === undefined) throw notFound(imageId);
    await this.storage.run('set-names', [...names.flatMap((name) => ['-n', name]), record.id], options);
  }

  async delete(imageId: string, options: CallOptions = {}): Promise<void> {
    const record = await this.#byId(imageId);
    if (record === undefined) return;
    const { root } = await this.storage.location();
    if (record.root !== root) {
      throw new PodwrightError(
        'failed-precondition',
        `The image ${imageId} lies in the read-only store ${record.root}: remove it there, or take that store out of storage.conf.`,
      );
    }
    await this.#delete(
      'delete-image',
      record.id,
      async () => (await this.#byId(imageId)) !== undefined,
      options,
    );
  }

  async deleteLayer(layerId: string, options: CallOptions = {}): Promise<void> {
    const isIdle = async () => (await this.allLayers()).some((layer) => layer.id === layerId && !layer.used);
    if (await isIdle()) await this.#delete('delete-layer', layerId, isIdle, options);
  }

  async removeUnfinished(options: CallOptions = {}): Promise<void> {
    // Whatever opens the store removes the layers that are marked incomplete.
    await this.storage.run('layers', [], options);
  }

  get layerChanges(): Observable<void> {
    return this.files.layerChanges();
  }

  usage(options: CallOptions = {}): Promise<ImageFsInfo> {
    return this.disk.measure(options);
  }

  /** The command's failure is none when another program was quicker. */
  async #delete(
    command: string,
    id: string,
    isStillThere: () => Promise<boolean>,
    options: CallOptions,
  ): Promise<void> {
    const { exitCode, stdout, stderr } = await this.storage.run(command, [id], {
      ...options,
      anyExitCode: true,
    });
    if (exitCode === 0 || !(await isStillThere())) return;
    const said = `${stdout.toString('utf8')}${stderr.toString('utf8')}`.trim();
    const container = /used by ([0-9a-f]+): image is in use by a container/.exec(said)?.[1];
    if (container !== undefined) {
      const user = describeUser(container, await this.files.containers());
      throw new PodwrightError('in-use', `The image ${id} is used by ${user}: remove what uses it first.`, {
        details: { imageId: id, users: [container] },
      });
    }
    throw new PodwrightError('command-failed', `containers-storage ${command} ${id} failed: ${said}`, {
      details: { exitCode, stderr: said },
    });
  }

  async #byId(imageId: string): Promise<InStore<ImageRecord> | undefined> {
    const { images } = await this.files.snapshot();
    return images.find((image) => `sha256:${image.id}` === imageId);
  }

  /** Undefined when another program removed the image while it was read. */
  async #readUnlessGone(
    record: InStore<ImageRecord>,
    snapshot: StoreSnapshot,
  ): Promise<StoredImage | undefined> {
    const known = this.#images.get(record);
    if (known !== undefined) return await known;
    const reading = this.#read(record, snapshot);
    this.#images.set(record, reading);
    try {
      return await reading;
    } catch (error) {
      this.#images.delete(record);
      const { images } = await this.files.snapshot();
      if (!images.includes(record)) return undefined;
      throw error;
    }
  }

  async #read(record: InStore<ImageRecord>, snapshot: StoreSnapshot): Promise<StoredImage> {
    const what = `the image ${record.names?.[0] ?? record.id}`;
    const key = configKey(record);
    if (key === undefined) {
      throw new PodwrightError(
        'corrupt-state',
        `The image store has no configuration of ${what}: pull it again.`,
      );
    }
    const config = parseImageConfig((await this.files.bigData(record, key)).toString('utf8'), what);
    const chain = chainOf(record, snapshot);
    const lowerDirs = await Promise.all(chain.map((layer) => this.#layerDir(layer, what)));
    return { image: toImage(record, config, chain, this.options.pinnedImages), config, lowerDirs };
  }

  /** The short link to a layer's files; the long path where a crash lost the link. */
  async #layerDir(layer: InStore<LayerRecord>, what: string): Promise<string> {
    const home = join(layer.root, 'overlay');
    const link = (await this.files.read(join(home, layer.id, 'link'), what)).toString('utf8').trim();
    const short = join(home, 'l', link);
    const isThere = await lstat(this.executor.hostPath(short)).then(
      () => true,
      () => false,
    );
    return isThere ? short : join(home, layer.id, 'diff');
  }
}

function chainOf(record: InStore<ImageRecord>, { layers }: StoreSnapshot): readonly InStore<LayerRecord>[] {
  const chain = layerChain(record.layer, layers);
  if (chain.isWhole) return chain.layers;
  throw new PodwrightError(
    'corrupt-state',
    `The image store lacks a layer of the image ${record.names?.[0] ?? record.id}: remove the image and pull it again.`,
    { details: { imageId: record.id } },
  );
}

function toStoredLayer(layer: LayerRecord, used: boolean): StoredLayer {
  const { id, parent } = layer;
  const [diffDigest, compressedDigest] = [layer['diff-digest'], layer['compressed-diff-digest']];
  return {
    id,
    ...(parent ? { parent } : {}),
    ...(diffDigest ? { diffDigest } : {}),
    ...(compressedDigest ? { compressedDigest } : {}),
    sizeBytes: layer['diff-size'] ?? 0,
    used,
  };
}

/** Who made a container of the store, as far as its record tells. */
function describeUser(id: string, containers: readonly ContainerRecord[]): string {
  const found = containers.find((container) => container.id === id);
  const [name = ''] = found?.names ?? [];
  if (name.startsWith(PIN_PREFIX))
    return `containers of another Podwright agent (${found?.metadata ?? name})`;
  return `the container ${id}${name === '' ? '' : ` (${name})`}, which podman, buildah or another program made in this store`;
}

function notFound(imageId: string): PodwrightError {
  return new PodwrightError('not-found', `The image store has no image ${imageId}.`, {
    details: { imageId },
  });
}
