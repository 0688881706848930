import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ContainerFilter,
  isWanted,
  messageOf,
  PodwrightError,
  systemErrorCode,
  systemErrorKind,
} from '@podwright/core';
import { HostExecutor, syncDirectory, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { type AttemptLine, parseAttempts } from './attempt-log.js';
import { type ContainerRecord, parseRecord, serializeRecord } from './container-record.js';
import { ignoreMissing, isMissing, readNow } from './files.js';
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
  /** The last ones, oldest first. */
  readonly lines: readonly AttemptLine[];
  /** The marker of a running attempt, if it is there and belongs to none of the lines. */
  readonly started: { readonly invocation: string; readonly atMs: number } | undefined;
  /** Whether the agent's own marker of a stop is there. */
  readonly stopping: boolean;
}

/** What such a directory is part of is half-made, or half-removed. */
const PREPARING = '.preparing-';
const REMOVING = '.removing-';

/**
 * The containers' directories. A container exists from the rename of its prepared directory until that is renamed again,
 * so that an agent's end at any moment leaves either all of it or something that the next one removes.
 */
@injectable()
export class ContainerStore {
  private readonly records = new Map<string, ContainerRecord>();
  /** Being made or removed by this process. */
  private readonly changing = new Set<string>();

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
    return [...this.records.values()]
      .filter((record) => isWanted({ ...record, labels: record.config.labels }, filter))
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  /** Ids of all directories, also of those whose record cannot be read. */
  async directories(): Promise<readonly string[]> {
    return (await this.names()).filter((name) => !isUnfinished(name));
  }

  /** Ids for which there is anything, also of containers that are being made or removed. */
  async idsInUse(): Promise<ReadonlySet<string>> {
    const names = await this.names();
    return new Set(names.map(idOf));
  }

  /** Names of directories that are half-made or half-removed, and not by this process now. */
  async unfinished(): Promise<readonly string[]> {
    return (await this.names()).filter((name) => isUnfinished(name) && !this.changing.has(idOf(name)));
  }

  /** Idempotent. @param name from `unfinished` */
  async removeUnfinished(name: string): Promise<void> {
    if (!isUnfinished(name) || this.changing.has(idOf(name))) return;
    await rm(this.host.hostPath(join(this.layout.containersDir, name)), { recursive: true, force: true });
  }

  /**
   * Makes a container's directories with its files.
   * @throws PodwrightError kind `no-space` and others; nothing is left then
   */
  async add(record: ContainerRecord, files: ContainerFiles): Promise<void> {
    const paths = this.layout.container(record.id);
    const preparing = this.host.hostPath(join(this.layout.containersDir, `${PREPARING}${record.id}`));
    const write = (name: string, text: string) => writePrivate(join(preparing, name), text);
    this.changing.add(record.id);
    try {
      // At once, as they are small: a turn of the event loop for each would take longer. What has to outlive a loss of
      // power is written after them.
      mkdirSync(join(preparing, 'bundle'), { recursive: true, mode: 0o700 });
      // The root directory of the container: everybody may look into it.
      mkdirSync(join(preparing, 'upper'));
      chmodSync(join(preparing, 'upper'), 0o755);
      mkdirSync(join(preparing, 'work'), { mode: 0o700 });
      write(join('bundle', 'config.json'), files.ociConfig);
      write('launch', files.launch);
      write('record', files.record);
      if (files.stop !== undefined) write('stop', files.stop);
      const { memorySwapLimitBytes } = record.config.resources;
      if (memorySwapLimitBytes !== undefined) write('swap-limit', swapLimitText(memorySwapLimitBytes));
      mkdirSync(this.host.hostPath(paths.exitDir), { recursive: true, mode: 0o700 });
      await writeFileAtomic(join(preparing, 'container.json'), serializeRecord(record), { mode: 0o600 });
      await rename(preparing, this.host.hostPath(paths.state));
      await syncDirectory(this.host.hostPath(this.layout.containersDir));
    } catch (error) {
      const failures = await this.takeBack(record.id, preparing);
      throw storeError(`The files of container ${record.id} could not be written`, error, failures);
    } finally {
      this.changing.delete(record.id);
    }
    this.records.set(record.id, record);
  }

  /** Writes a container's record anew. */
  async replace(record: ContainerRecord): Promise<void> {
    const path = this.host.hostPath(this.layout.container(record.id).record);
    await writeFileAtomic(path, serializeRecord(record), { mode: 0o600 });
    this.records.set(record.id, record);
  }

  /** Keeps for the next attempts what a container may have of memory and swap together. */
  async setSwapLimit(id: string, bytes: number | undefined): Promise<void> {
    const path = this.host.hostPath(this.layout.container(id).swapLimit);
    await writeFileAtomic(path, swapLimitText(bytes), { mode: 0o600 });
  }

  /** Idempotent. */
  async remove(id: string): Promise<void> {
    const paths = this.layout.container(id);
    await rm(this.host.hostPath(paths.run), { recursive: true, force: true });
    // Not recursively: should a root file system ever be mounted there, its volumes are not ours to empty.
    await ignoreMissing(rmdir(this.host.hostPath(paths.rootfs)));
    await ignoreMissing(rmdir(this.host.hostPath(paths.stage)));
    const removing = this.host.hostPath(join(this.layout.containersDir, `${REMOVING}${id}`));
    this.changing.add(id);
    try {
      await ignoreMissing(rename(this.host.hostPath(paths.state), removing));
      this.records.delete(id);
      await rm(removing, { recursive: true, force: true });
    } finally {
      this.changing.delete(id);
    }
  }

  /**
   * What the unit's scripts wrote; nothing when it never ran. Read at once: these are a few small files, and each turn of
   * the event loop in between would make a start or a status longer than reading them takes.
   */
  attempts(id: string): WrittenAttempts {
    const paths = this.layout.container(id);
    // The marker is read first: it goes away after the attempt's line was written.
    const started = this.readMarker(this.host.hostPath(paths.startedMarker));
    const lines = parseAttempts(readNow(this.host.hostPath(paths.attempts)) ?? '');
    const ended = started !== undefined && lines.some((line) => line.invocation === started.invocation);
    const stopping = statSync(this.host.hostPath(paths.stoppingMarker), { throwIfNoEntry: false });
    return { lines, started: ended ? undefined : started, stopping: stopping !== undefined };
  }

  /** Adds the line of an attempt whose end no script wrote, in the place of its marker. */
  async addAttempt(id: string, line: string): Promise<void> {
    const paths = this.layout.container(id);
    const path = this.host.hostPath(paths.attempts);
    await writeFileAtomic(path, `${readNow(path) ?? ''}${line}`, { mode: 0o600 });
    await rm(this.host.hostPath(paths.startedMarker), { force: true });
  }

  /** Until it is taken back, no attempt follows the one that runs. */
  async markStopping(id: string, stopping: boolean): Promise<void> {
    const path = this.host.hostPath(this.layout.container(id).stoppingMarker);
    if (stopping) writePrivate(path, '');
    else await rm(path, { force: true });
  }

  private async prepareDirectory(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    for (const name of await readdir(directory)) {
      if (isUnfinished(name)) await rm(join(directory, name), { recursive: true, force: true });
    }
  }

  private async names(): Promise<readonly string[]> {
    return (await ignoreMissing(readdir(this.host.hostPath(this.layout.containersDir)))) ?? [];
  }

  /** Undoes `add`. @returns what could not be undone */
  private async takeBack(id: string, preparing: string): Promise<readonly unknown[]> {
    const undo = [this.remove(id), rm(preparing, { recursive: true, force: true })];
    const outcomes = await Promise.allSettled(undo);
    return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  }

  private readMarker(path: string): { invocation: string; atMs: number } | undefined {
    const stats = statSync(path, { throwIfNoEntry: false });
    const text = stats === undefined ? '' : (readNow(path) ?? '').trim();
    // Between its making and its first byte it tells nothing yet.
    return stats === undefined || text === ''
      ? undefined
      : { invocation: text, atMs: Math.round(stats.mtimeMs) };
  }
}

function swapLimitText(bytes: number | undefined): string {
  return bytes === undefined ? '' : `${bytes}\n`;
}

function idOf(name: string): string {
  return name.replace(PREPARING, '').replace(REMOVING, '');
}

function isUnfinished(name: string): boolean {
  return name.startsWith(PREPARING) || name.startsWith(REMOVING);
}

/** An error of the file system in the library's terms. */
function storeError(what: string, error: unknown, undoErrors: readonly unknown[]): PodwrightError {
  return new PodwrightError(systemErrorKind(error) ?? 'internal', `${what}: ${messageOf(error)}`, {
    cause: error,
    details: { code: systemErrorCode(error), ...(undoErrors.length === 0 ? {} : { undoErrors }) },
  });
}

/** With its own mode from the beginning, so that no moment passes in which others can read it. */
function writePrivate(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}
