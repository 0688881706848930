import { closeSync, fsync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KeyedMutex, type PodRecord, type PodStore, PodwrightError } from '@podwright/core';
import { DirectoryLock } from './directory-lock.js';
import { formatRecordFile, parseRecordFile, RECORD_SUFFIX } from './pod-record-file.js';
import { stateFileError } from './state-file-error.js';

/**
 * Remembers pods in one file each, `<stateDir>/pods/<uid>.json`, for the owner's eyes only: manifests hold secrets. A
 * file is written beside its place, synced and renamed, so that after a crash it is the old one or the new one. Writes
 * of one pod are done in the order in which they were asked for.
 */
export class FilePodStore implements PodStore {
  private readonly directory: string;
  private readonly lock: DirectoryLock;
  private readonly records = new Map<string, PodRecord>();
  private readonly writes = new KeyedMutex();
  private isOpen = false;

  /**
   * @param stateDir absolute path; made when it is not there
   * @param lockTimeoutMs how long `open` waits for another process to let go of it
   */
  constructor(
    stateDir: string,
    private readonly lockTimeoutMs = 0,
  ) {
    this.directory = join(stateDir, 'pods');
    this.lock = new DirectoryLock(this.directory);
  }

  async open(): Promise<void> {
    if (this.isOpen) return;
    await this.makeDirectory();
    await this.lock.acquire(this.lockTimeoutMs);
    try {
      for (const name of await readdir(this.directory)) {
        const path = join(this.directory, name);
        if (name.endsWith('.tmp')) await rm(path, { force: true });
        else if (name.endsWith(RECORD_SUFFIX))
          this.remember(parseRecordFile(path, await readFile(path, 'utf8')));
      }
    } catch (error) {
      this.records.clear();
      await this.lock.release();
      throw error;
    }
    this.isOpen = true;
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.records.clear();
    await this.lock.release();
  }

  async list(): Promise<readonly PodRecord[]> {
    this.checkOpen();
    return [...this.records.values()];
  }

  async get(uid: string): Promise<PodRecord | undefined> {
    this.checkOpen();
    return this.records.get(uid);
  }

  put(record: PodRecord): Promise<void> {
    return this.writes.run(record.uid, async () => {
      this.checkOpen();
      const path = this.pathOf(record.uid);
      try {
        await this.write(path, formatRecordFile(record));
      } catch (error) {
        throw stateFileError('Writing the state file', path, error);
      }
      this.remember(record);
    });
  }

  delete(uid: string): Promise<void> {
    return this.writes.run(uid, async () => {
      this.checkOpen();
      if (!this.records.has(uid)) return;
      const path = this.pathOf(uid);
      try {
        await rm(path, { force: true });
        await this.syncDirectory();
      } catch (error) {
        throw stateFileError('Removing the state file', path, error);
      }
      this.records.delete(uid);
    });
  }

  private async write(path: string, text: string): Promise<void> {
    const temporary = `${path}.tmp`;
    try {
      // Only fsync waits for the disk: a turn of the event loop for each other step would take longer than they do.
      await withFile(openSync(temporary, 'w', 0o600), async (file) => {
        writeFileSync(file, text);
        await synced(file);
      });
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    renameSync(temporary, path);
    await this.syncDirectory();
  }

  private remember(record: PodRecord): void {
    this.records.set(record.uid, record);
  }

  private pathOf(uid: string): string {
    // Uids are DNS labels by the manifest's schema, so this cannot leave the directory.
    return join(this.directory, `${uid}${RECORD_SUFFIX}`);
  }

  private async makeDirectory(): Promise<void> {
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
      await chmod(this.directory, 0o700);
    } catch (error) {
      throw stateFileError('Making the state directory', this.directory, error);
    }
  }

  private async syncDirectory(): Promise<void> {
    await withFile(openSync(this.directory, 'r'), synced);
  }

  private checkOpen(): void {
    if (!this.isOpen) {
      throw new PodwrightError(
        'closed',
        `The pod store in ${this.directory} is not open: call open() first.`,
      );
    }
  }
}

const synced = promisify(fsync);

async function withFile(file: number, work: (file: number) => Promise<void>): Promise<void> {
  try {
    await work(file);
  } finally {
    closeSync(file);
  }
}
