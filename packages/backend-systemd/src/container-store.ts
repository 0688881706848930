import { chmod, mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerFilter, PodwrightError } from '@podwright/core';
import { HostExecutor, syncDirectory, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { type AttemptLine, parseAttempts } from './attempt-log.js';
import { type ContainerRecord, parseRecord, serializeRecord } from './container-record.js';
import { HostLayout } from './host-layout.js';

/** Files of a container that are written once. */
export interface ContainerFiles {
  /** config.json of the bundle: the only file with the environment. */
  readonly ociConfig: string;
  readonly launch: string;
  readonly record: string;
  readonly stop?: string;
}

/** What the scripts of a container's unit wrote about its attempts. */
export interface WrittenAttempts {
  readonly lines: readonly AttemptLine[];
  /** Why attempts never started, by invocation. */
  readonly startErrors: ReadonlyMap<string, string>;
  readonly started: { readonly invocation: string; readonly atMs: number } | undefined;
}

const PREPARING = '.preparing-';
const START_ERROR = 'start-error.';

/**
 * The containers' directories. A container exists from the rename of its prepared directory on, so that an agent's end
 * at any moment leaves either all of it or something that the next one removes.
 */
@injectable()
export class ContainerStore {
  private readonly records = new Map<string, ContainerRecord>();

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
  ) {}

  /**
   * Reads all records.
   * @param options `observe`: nothing is made or removed; may be called again and again
   * @returns an error for each that cannot be read; such a container is left as it is
   */
  async load({ observe = false } = {}): Promise<readonly Error[]> {
    const directory = this.host.hostPath(this.layout.containersDir);
    if (!observe) await this.prepareDirectory(directory);
    const records: ContainerRecord[] = [];
    const errors: Error[] = [];
    for (const id of await this.directories()) {
      const path = this.layout.container(id).record;
      try {
        records.push(parseRecord(await readFile(this.host.hostPath(path), 'utf8'), path));
      } catch (error) {
        if (observe && isMissing(error)) continue;
        errors.push(
          PodwrightError.is(error)
            ? error
            : new PodwrightError('corrupt-state', `${path} cannot be read.`, { cause: error }),
        );
      }
    }
    // At once, with nothing awaited: whoever asks meanwhile sees the old ones or the new ones.
    this.records.clear();
    for (const record of records) this.records.set(record.id, record);
    return errors;
  }

  get(id: string): ContainerRecord | undefined {
    return this.records.get(id);
  }

  /** @throws PodwrightError kind `not-found` */
  require(id: string): ContainerRecord {
    const record = this.records.get(id);
    if (record) return record;
    throw new PodwrightError('not-found', `There is no container ${id}.`, { details: { id } });
  }

  /** Newest first. The state of a filter is not looked at: it is not known here. */
  list(filter: ContainerFilter = {}): readonly ContainerRecord[] {
    const labels = Object.entries(filter.labels ?? {});
    return [...this.records.values()]
      .filter(
        (record) =>
          (filter.id === undefined || record.id === filter.id) &&
          (filter.sandboxId === undefined || record.sandboxId === filter.sandboxId) &&
          (filter.podUid === undefined || record.podUid === filter.podUid) &&
          labels.every(([key, value]) => record.config.labels[key] === value),
      )
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  /** Ids of all directories, also of those whose record cannot be read. */
  async directories(): Promise<readonly string[]> {
    const names = await readdir(this.host.hostPath(this.layout.containersDir)).catch(() => []);
    return names.filter((name) => !name.startsWith(PREPARING));
  }

  async add(record: ContainerRecord, files: ContainerFiles): Promise<void> {
    const paths = this.layout.container(record.id);
    const preparing = this.host.hostPath(join(this.layout.containersDir, `${PREPARING}${record.id}`));
    try {
      await mkdir(join(preparing, 'bundle'), { recursive: true, mode: 0o700 });
      await Promise.all([
        // The root directory of the container: everybody may look into it.
        mkdir(join(preparing, 'upper')).then(() => chmod(join(preparing, 'upper'), 0o755)),
        mkdir(join(preparing, 'work'), { mode: 0o700 }),
        writePrivate(join(preparing, 'bundle', 'config.json'), files.ociConfig),
        writePrivate(join(preparing, 'launch'), files.launch),
        writePrivate(join(preparing, 'record'), files.record),
        ...(files.stop === undefined ? [] : [writePrivate(join(preparing, 'stop'), files.stop)]),
        mkdir(this.host.hostPath(paths.exitDir), { recursive: true, mode: 0o700 }),
      ]);
      await writeFileAtomic(join(preparing, 'container.json'), serializeRecord(record), { mode: 0o600 });
      await rename(preparing, this.host.hostPath(paths.state));
      await syncDirectory(this.host.hostPath(this.layout.containersDir));
    } catch (error) {
      await this.removeFiles(record.id);
      await rm(preparing, { recursive: true, force: true });
      throw error;
    }
    this.records.set(record.id, record);
  }

  async remove(id: string): Promise<void> {
    await this.removeFiles(id);
    this.records.delete(id);
  }

  /** What the unit's scripts wrote; nothing when it never ran. */
  async attempts(id: string): Promise<WrittenAttempts> {
    const paths = this.layout.container(id);
    // The marker is read first: it goes away after the attempt's line was written.
    const started = await this.readMarker(this.host.hostPath(paths.startedMarker));
    const lines = parseAttempts(await readIfThere(this.host.hostPath(paths.attempts)));
    const startErrors = new Map<string, string>();
    if (lines.some((line) => line.exitCode === undefined)) {
      for (const name of await readdir(this.host.hostPath(paths.state)).catch(() => [])) {
        if (!name.startsWith(START_ERROR)) continue;
        const text = await readIfThere(this.host.hostPath(join(paths.state, name)));
        startErrors.set(name.slice(START_ERROR.length), text.trim());
      }
    }
    const ended = started !== undefined && lines.some((line) => line.invocation === started.invocation);
    return { lines, startErrors, started: ended ? undefined : started };
  }

  /** Until it is taken back, no attempt follows the one that runs. */
  async markStopping(id: string, stopping: boolean): Promise<void> {
    const path = this.host.hostPath(this.layout.container(id).stoppingMarker);
    if (stopping) await writePrivate(path, '');
    else await rm(path, { force: true });
  }

  private async prepareDirectory(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    for (const name of await readdir(directory)) {
      if (name.startsWith(PREPARING)) await rm(join(directory, name), { recursive: true, force: true });
    }
  }

  private async readMarker(path: string): Promise<{ invocation: string; atMs: number } | undefined> {
    try {
      const [text, stats] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
      return text === '' ? undefined : { invocation: text.trim(), atMs: Math.round(stats.mtimeMs) };
    } catch {
      return undefined;
    }
  }

  private async removeFiles(id: string): Promise<void> {
    const paths = this.layout.container(id);
    // The record goes last, so that a removal that was broken off can be done again.
    await rm(this.host.hostPath(paths.run), { recursive: true, force: true });
    // Not recursively: should a root file system ever be mounted there, its volumes are not ours to empty.
    await rmdir(this.host.hostPath(paths.rootfs)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    for (const path of [paths.bundle, paths.upper, paths.work, paths.state]) {
      await rm(this.host.hostPath(path), { recursive: true, force: true });
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function writePrivate(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

async function readIfThere(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}
