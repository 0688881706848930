import { watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Logger, messageOf, PodwrightError, systemErrorCode } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { Observable } from 'rxjs';
import { StorageCommand } from './storage-command.js';
import {
  bigDataFileName,
  type ContainerRecord,
  type ImageRecord,
  type LayerRecord,
  layerChain,
  parseRecords,
} from './store-records.js';

/** An entry with the root of the store that holds it. */
export type InStore<T> = T & { readonly root: string };

/** What the store's lists held at one moment. */
export interface StoreSnapshot {
  readonly images: readonly InStore<ImageRecord>[];
  readonly layers: ReadonlyMap<string, InStore<LayerRecord>>;
}

interface CachedFile {
  readonly version: string;
  readonly records: readonly { readonly id: string }[];
}

const IMAGES = 'overlay-images/images.json';
const LAYERS = 'overlay-layers/layers.json';
const CONTAINERS = 'overlay-containers/containers.json';
/** A writer between our two reads is seen at most so often before the store counts as damaged. */
const READ_ATTEMPTS = 5;

/**
 * Reads the store's own files. Its writers replace each list in one step (rename(2)), so a list is always whole; what
 * has not changed since is not read again.
 */
@injectable()
export class StoreFiles {
  readonly #cache = new Map<string, CachedFile>();
  #last: { readonly key: string; readonly snapshot: StoreSnapshot } | undefined;

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(StorageCommand) private readonly storage: StorageCommand,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * Images and layers that go together. Writers add layers before the image and remove the image before its layers:
   * images are read first, and both again when a layer is missing.
   */
  async snapshot(): Promise<StoreSnapshot> {
    const { root, readOnlyRoots } = await this.storage.location();
    const roots = [root, ...readOnlyRoots];
    for (let attempt = 1; ; attempt++) {
      const images = await Promise.all(roots.map((one) => this.#list(one, IMAGES)));
      const layers = await Promise.all(roots.map((one) => this.#list(one, LAYERS)));
      const key = [...images, ...layers].map((file) => file.version).join('|');
      if (this.#last?.key === key) return this.#last.snapshot;
      const snapshot = {
        images: inStores<ImageRecord>(roots, images),
        // The writable store is last, so that its entry wins.
        layers: new Map(
          inStores<LayerRecord>(roots, layers)
            .reverse()
            .map((layer) => [layer.id, layer]),
        ),
      };
      const whole = snapshot.images.every((image) => layerChain(image.layer, snapshot.layers).isWhole);
      if (whole || attempt === READ_ATTEMPTS) {
        this.#last = { key, snapshot };
        return snapshot;
      }
    }
  }

  /** Containers that podman or buildah have in the writable store. */
  async containers(): Promise<readonly ContainerRecord[]> {
    const { root } = await this.storage.location();
    return (await this.#list(root, CONTAINERS)).records;
  }

  /** Says that the list of layers was written. Says nothing where the system cannot watch files. */
  layerChanges(): Observable<void> {
    return new Observable((subscriber) => {
      const watching = this.storage.location().then(({ root }) => {
        const path = this.executor.hostPath(join(root, dirname(LAYERS)));
        const watcher = watch(path, { persistent: false }, (_, name) => {
          if (name === basename(LAYERS)) subscriber.next();
        });
        watcher.on('error', (error) => this.#unwatched(error));
        return watcher;
      });
      watching.catch((error: unknown) => this.#unwatched(error));
      return () => {
        void watching.then(
          (watcher) => watcher.close(),
          () => undefined,
        );
      };
    });
  }

  #unwatched(error: unknown): void {
    this.logger.debug('the image store cannot be watched', { error: messageOf(error) });
  }

  /** A piece of an image's data. @throws PodwrightError kind `corrupt-state` when the file is missing */
  async bigData(image: InStore<ImageRecord>, key: string): Promise<Buffer> {
    const path = join(image.root, 'overlay-images', image.id, bigDataFileName(key));
    return await this.read(path, `image ${image.id}`);
  }

  /** @throws PodwrightError kind `corrupt-state` when the file is missing */
  async read(path: string, what: string): Promise<Buffer> {
    try {
      return await readFile(this.executor.hostPath(path));
    } catch (error) {
      if (!isNotFound(error)) throw unreadable(path, error);
      throw new PodwrightError(
        'corrupt-state',
        `The image store lacks ${path} of ${what}: remove that image and pull it again.`,
        { cause: error, details: { path } },
      );
    }
  }

  async #list(root: string, file: string): Promise<CachedFile> {
    const path = join(root, file);
    const reached = this.executor.hostPath(path);
    try {
      const { mtimeNs, ino, size } = await stat(reached, { bigint: true });
      const version = `${mtimeNs}-${ino}-${size}`;
      const cached = this.#cache.get(path);
      if (cached?.version === version) return cached;
      // A newer file than the version says is read again next time, never an older one kept.
      const fresh = { version, records: parseRecords(await readFile(reached, 'utf8'), path) };
      this.#cache.set(path, fresh);
      return fresh;
    } catch (error) {
      if (isNotFound(error)) return { version: 'none', records: [] };
      throw PodwrightError.is(error) ? error : unreadable(path, error);
    }
  }
}

function inStores<T extends { readonly id: string }>(
  roots: readonly string[],
  files: readonly { readonly records: readonly T[] }[],
): InStore<T>[] {
  return files.flatMap((file, index) =>
    file.records.map((record) => ({ ...record, root: roots[index] ?? '' })),
  );
}

function isNotFound(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOENT';
}

function unreadable(path: string, cause: unknown): PodwrightError {
  const denied =
    cause instanceof Error && 'code' in cause && (cause.code === 'EACCES' || cause.code === 'EPERM');
  const advice = denied ? 'run as root' : 'look at the cause';
  return new PodwrightError(
    denied ? 'permission-denied' : 'corrupt-state',
    `The image store's file ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}; ${advice}.`,
    { cause, details: { path } },
  );
}
