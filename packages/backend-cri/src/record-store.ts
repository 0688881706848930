import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, PodwrightError, systemErrorCode, systemErrorKind } from '@podwright/core';
import { writeFileAtomic } from '@podwright/nsenter';
import type { z } from 'zod';
import type { ContainerRecord, Made, SandboxRecord } from './records.js';

const FILE = 'record.json';

/** Records of one sort, each in a directory of its own that other files of its subject lie in too. */
export class RecordStore<R extends SandboxRecord | ContainerRecord> {
  private readonly byKey = new Map<string, R>();
  private readonly byId = new Map<string, Made<R>>();

  constructor(
    private readonly folder: string,
    private readonly schema: z.ZodType,
  ) {}

  /**
   * Reads what is not known yet, and forgets what is gone: another process may have written it.
   * @throws PodwrightError kind `corrupt-state` for a record that cannot be read
   */
  async refresh(): Promise<void> {
    const names = new Set(await this.directories());
    for (const key of this.byKey.keys()) if (!names.has(key)) this.forget(key);
    for (const key of names) {
      if (this.byKey.get(key)?.id === undefined) await this.read(key);
    }
  }

  /** Directories that hold no record: of what was being made, or removed, when an agent ended. */
  async withoutRecord(): Promise<readonly string[]> {
    await this.refresh();
    return (await this.directories()).filter((key) => !this.byKey.has(key));
  }

  get(id: string): Made<R> | undefined {
    return this.byId.get(id);
  }

  /** Those that the runtime has made. */
  all(): readonly Made<R>[] {
    return [...this.byId.values()];
  }

  /** Those that may have been made: nobody has waited for the answer. */
  pending(): readonly R[] {
    return [...this.byKey.values()].filter(({ id }) => id === undefined);
  }

  newKey(): string {
    return randomBytes(16).toString('hex');
  }

  /** @throws PodwrightError kind `no-space`, `permission-denied` */
  async put(record: R): Promise<void> {
    const directory = join(this.folder, record.key);
    try {
      await mkdir(directory, { recursive: true, mode: 0o711 });
      await writeFileAtomic(join(directory, FILE), `${JSON.stringify(record)}\n`);
    } catch (cause) {
      throw new PodwrightError(
        systemErrorKind(cause) ?? 'internal',
        `The record ${directory} cannot be written: ${messageOf(cause)}`,
        { cause },
      );
    }
    this.remember(record);
  }

  /** With everything in its directory. Idempotent. */
  async remove(key: string): Promise<void> {
    await rm(join(this.folder, key), { recursive: true, force: true });
    this.forget(key);
  }

  private async directories(): Promise<readonly string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  private async read(key: string): Promise<void> {
    const path = join(this.folder, key, FILE);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error))) return;
      throw error;
    }
    // Written by this process meanwhile: what was read is older.
    if (this.byKey.get(key)?.id !== undefined) return;
    try {
      this.remember(this.schema.parse(JSON.parse(text)) as R);
    } catch (cause) {
      throw new PodwrightError(
        'corrupt-state',
        `The file ${path} cannot be read: ${messageOf(cause)}. Remove its directory to go on without it; what it is of ` +
          'stays in the runtime.',
        { cause, details: { path } },
      );
    }
  }

  private remember(record: R): void {
    this.byKey.set(record.key, record);
    if (isMade(record)) this.byId.set(record.id, record);
  }

  private forget(key: string): void {
    const id = this.byKey.get(key)?.id;
    this.byKey.delete(key);
    if (id !== undefined) this.byId.delete(id);
  }
}

function isMade<R extends SandboxRecord | ContainerRecord>(record: R): record is Made<R> {
  return record.id !== undefined;
}
