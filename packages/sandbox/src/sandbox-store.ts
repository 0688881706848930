import { mkdirSync } from 'node:fs';
import { readFile, rm, rmdir } from 'node:fs/promises';
import { messageOf, PodwrightError, systemErrorCode } from '@podwright/core';
import { HostExecutor, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { listDirectory } from './list-directory.js';
import { SandboxOptions } from './sandbox-options.js';
import { sandboxesStateDir, sandboxPaths } from './sandbox-paths.js';
import type { SandboxRecord } from './sandbox-record.js';
import { formatSandboxRecord, parseSandboxRecord } from './sandbox-record-schema.js';
import { toPodwrightError } from './system-error.js';

export interface SandboxLoadResult {
  readonly records: readonly SandboxRecord[];
  /** One for each record that cannot be read; the others are there all the same. */
  readonly errors: readonly PodwrightError[];
}

/** The sandboxes' records on disk. */
export interface SandboxStore {
  readAll(): Promise<SandboxLoadResult>;
  /** Undefined when there is none. @throws PodwrightError kind `corrupt-state`, `unsupported` (of a newer version) */
  read(id: string): Promise<SandboxRecord | undefined>;
  /** Whether there is a record that no agent can make sense of: not one that is newer, or that cannot be read for now. */
  isBroken(id: string): Promise<boolean>;
  /** Writes it whole or not at all, readable by its owner only. */
  write(record: SandboxRecord): Promise<void>;
  /** Removes the sandbox's directory with all of its files, the record last. Idempotent. */
  delete(id: string): Promise<void>;
  /** Ids of all directories, with a record or without; and which of them have none. */
  directories(): Promise<readonly { readonly id: string; readonly hasRecord: boolean }[]>;
}

export const SandboxStore: ServiceIdentifier<SandboxStore> = Symbol.for('podwright.sandbox.SandboxStore');

@injectable()
export class FileSandboxStore implements SandboxStore {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
  ) {}

  async readAll(): Promise<SandboxLoadResult> {
    const directories = await this.directories();
    const records: SandboxRecord[] = [];
    const errors: PodwrightError[] = [];
    const read = async (id: string) => {
      const record = await this.read(id);
      if (record !== undefined) records.push(record);
    };
    await Promise.all(
      directories
        .filter(({ hasRecord }) => hasRecord)
        .map(({ id }) =>
          read(id).catch((error) => errors.push(toPodwrightError(error, `Reading sandbox ${id}`))),
        ),
    );
    return { records, errors };
  }

  async read(id: string): Promise<SandboxRecord | undefined> {
    const { record } = sandboxPaths(this.options, id);
    let text: string;
    try {
      text = await readFile(this.executor.hostPath(record), 'utf8');
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw new PodwrightError('corrupt-state', `The record ${record} cannot be read: ${messageOf(error)}.`, {
        cause: error,
        details: { id, path: record },
      });
    }
    return parseSandboxRecord(text, id, record);
  }

  async isBroken(id: string): Promise<boolean> {
    try {
      await this.read(id);
      return false;
    } catch (error) {
      const isMeaningless = PodwrightError.is(error, 'corrupt-state') || PodwrightError.is(error, 'empty-id');
      return isMeaningless && systemErrorCode(error.cause) === '';
    }
  }

  async write(record: SandboxRecord): Promise<void> {
    const { stateDir, record: path } = sandboxPaths(this.options, record.id);
    mkdirSync(this.executor.hostPath(stateDir), { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.executor.hostPath(path), formatSandboxRecord(record));
  }

  async delete(id: string): Promise<void> {
    const { stateDir, record } = sandboxPaths(this.options, id);
    const folder = this.executor.hostPath(stateDir);
    const entries = await listDirectory(folder);
    // The record goes last: as long as it is there, a broken-off removal is taken up again.
    await Promise.all(
      entries
        .map((name) => `${stateDir}/${name}`)
        .filter((path) => path !== record)
        .map((path) => rm(this.executor.hostPath(path), { recursive: true, force: true })),
    );
    await rm(this.executor.hostPath(record), { force: true });
    await rmdir(folder).catch(ignoreMissing);
  }

  async directories(): Promise<readonly { readonly id: string; readonly hasRecord: boolean }[]> {
    const root = sandboxesStateDir(this.options);
    const names = await listDirectory(this.executor.hostPath(root));
    return Promise.all(
      names.map(async (id) => ({
        id,
        hasRecord: (await listDirectory(this.executor.hostPath(`${root}/${id}`))).includes('sandbox.json'),
      })),
    );
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
