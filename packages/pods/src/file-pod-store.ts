import { chmod, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, type PodRecord, type PodStore, PodwrightError, parsePod } from '@podwright/core';
import { DirectoryLock } from './directory-lock.js';

/** Format of the files; a reader takes its own and older ones. */
const VERSION = 1;
const SUFFIX = '.json';
const STATES = ['preparing', 'running', 'killed'] as const;

/**
 * Remembers pods in one file each, `<stateDir>/pods/<uid>.json`, for the owner's eyes only: manifests hold secrets. A
 * file is written beside its place, synced and renamed, so that after a crash it is the old one or the new one.
 */
export class FilePodStore implements PodStore {
  private readonly directory: string;
  private readonly lock: DirectoryLock;
  private readonly records = new Map<string, PodRecord>();
  private isOpen = false;

  /** @param stateDir absolute path; made when it is not there */
  constructor(stateDir: string) {
    this.directory = join(stateDir, 'pods');
    this.lock = new DirectoryLock(this.directory);
  }

  async open(): Promise<void> {
    if (this.isOpen) return;
    await this.makeDirectory();
    await this.lock.acquire();
    try {
      for (const name of await readdir(this.directory)) {
        const path = join(this.directory, name);
        if (name.endsWith('.tmp')) await rm(path, { force: true });
        else if (name.endsWith(SUFFIX)) this.remember(parseRecord(path, await readFile(path, 'utf8')));
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

  async put(record: PodRecord): Promise<void> {
    this.checkOpen();
    const path = this.pathOf(record.uid);
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ version: VERSION, ...record })}\n`);
      await file.sync();
    } catch (error) {
      await file.close();
      await rm(temporary, { force: true });
      throw error;
    }
    await file.close();
    await rename(temporary, path);
    await this.syncDirectory();
    this.remember(record);
  }

  async delete(uid: string): Promise<void> {
    this.checkOpen();
    if (!this.records.has(uid)) return;
    await rm(this.pathOf(uid), { force: true });
    await this.syncDirectory();
    this.records.delete(uid);
  }

  private remember(record: PodRecord): void {
    this.records.set(record.uid, record);
  }

  private pathOf(uid: string): string {
    // Uids are DNS labels by the manifest's schema, so this cannot leave the directory.
    return join(this.directory, `${uid}${SUFFIX}`);
  }

  private async makeDirectory(): Promise<void> {
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
      await chmod(this.directory, 0o700);
    } catch (error) {
      throw new PodwrightError(
        'permission-denied',
        `The state directory ${this.directory} cannot be made: ${messageOf(error)}. Choose another stateDir, or give this process the right to write there.`,
        { cause: error, details: { path: this.directory } },
      );
    }
  }

  private async syncDirectory(): Promise<void> {
    const directory = await open(this.directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
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

/** @throws PodwrightError kind `corrupt-state`, `failed-precondition` for a file of a newer version */
function parseRecord(path: string, text: string): PodRecord {
  const corrupt = (reason: string, cause?: unknown) =>
    new PodwrightError(
      'corrupt-state',
      `The state file ${path} cannot be read: ${reason}. Move it away to start without this pod; what is left of the pod is then collected as a forgotten one.`,
      { cause, details: { path } },
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corrupt('it is no JSON', error);
  }
  if (typeof value !== 'object' || value === null) throw corrupt('it is no object');
  const { version, uid, namespace, name, manifest, createdAtMs, state }: Record<string, unknown> = {
    ...value,
  };
  if (typeof version === 'number' && version > VERSION) {
    throw new PodwrightError(
      'failed-precondition',
      `The state file ${path} has version ${version}, written by a newer Podwright; this one reads up to version ${VERSION}. Use the newer one.`,
      { details: { path, version } },
    );
  }
  if (version !== VERSION) throw corrupt('it has no version');
  const knownState = STATES.find((candidate) => candidate === state);
  if (
    typeof uid !== 'string' ||
    typeof namespace !== 'string' ||
    typeof name !== 'string' ||
    typeof createdAtMs !== 'number' ||
    knownState === undefined
  ) {
    throw corrupt('uid, namespace, name, createdAtMs or state is missing or wrong');
  }
  if (`${uid}${SUFFIX}` !== path.slice(path.lastIndexOf('/') + 1)) throw corrupt(`it is about ${uid}`);
  try {
    return { uid, namespace, name, createdAtMs, state: knownState, manifest: parsePod(manifest) };
  } catch (error) {
    throw corrupt(messageOf(error), error);
  }
}
