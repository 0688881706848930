import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallOptions, ImageFsInfo } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { StorageCommand } from './storage-command.js';
import { StoreFiles } from './store-files.js';

interface Usage {
  readonly bytes: number;
  readonly inodes: number;
}

const DIRECTORIES_PER_COMMAND = 200;

/** Disk space of the store. A layer never changes, so each is measured once. */
@injectable()
export class StoreUsage {
  readonly #layers = new Map<string, Usage>();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(StorageCommand) private readonly storage: StorageCommand,
    @inject(StoreFiles) private readonly files: StoreFiles,
  ) {}

  async measure(options: CallOptions = {}): Promise<ImageFsInfo> {
    const { root } = await this.storage.location();
    const { layers } = await this.files.snapshot();
    const own = [...layers.values()].filter((layer) => layer.root === root).map((layer) => layer.id);
    for (const id of this.#layers.keys()) if (!own.includes(id)) this.#layers.delete(id);
    const fresh = own.filter((id) => !this.#layers.has(id));
    for (let start = 0; start < fresh.length; start += DIRECTORIES_PER_COMMAND) {
      await this.#measureLayers(root, fresh.slice(start, start + DIRECTORIES_PER_COMMAND), options);
    }
    let usedBytes = 0;
    let inodesUsed = 0;
    for (const { bytes, inodes } of this.#layers.values()) {
      usedBytes += bytes;
      inodesUsed += inodes;
    }
    const { bsize, blocks, bavail } = await statfs(this.executor.hostPath(root));
    return {
      mountpoint: root,
      usedBytes,
      inodesUsed,
      capacityBytes: blocks * bsize,
      availableBytes: bavail * bsize,
    };
  }

  async #measureLayers(root: string, ids: readonly string[], options: CallOptions): Promise<void> {
    const paths = new Map(ids.map((id) => [join(root, 'overlay', id), id]));
    const bytes = await this.#du(['--block-size=1'], [...paths.keys()], options);
    const inodes = await this.#du(['--inodes'], [...paths.keys()], options);
    for (const [path, id] of paths) {
      const [size, count] = [bytes.get(path), inodes.get(path)];
      // One that another program removed meanwhile takes no space.
      if (size !== undefined && count !== undefined) this.#layers.set(id, { bytes: size, inodes: count });
    }
  }

  async #du(
    unit: readonly string[],
    paths: readonly string[],
    options: CallOptions,
  ): Promise<ReadonlyMap<string, number>> {
    const { stdout } = await this.executor.run({
      command: 'du',
      args: ['--summarize', '--one-file-system', ...unit, '--', ...paths],
      okExitCodes: [0, 1],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const sizes = new Map<string, number>();
    for (const line of stdout.toString('utf8').split('\n')) {
      const [, size, path] = /^(\d+)\t(.+)$/.exec(line) ?? [];
      if (size !== undefined && path !== undefined) sizes.set(path, Number(size));
    }
    return sizes;
  }
}
