import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PodRecord, type PodStore, PodwrightError, systemErrorCode } from '@podwright/core';
import { parseRecordFile, RECORD_SUFFIX } from './pod-record-file.js';

/**
 * The pods that another process remembers in a `FilePodStore`, read anew at each call and without its lock: that one
 * replaces files whole, so what is read is always a record that was true a moment ago.
 */
export class ObservedPodStore implements PodStore {
  private readonly directory: string;

  /** @param stateDir absolute path; when it is not there, there are no pods */
  constructor(stateDir: string) {
    this.directory = join(stateDir, 'pods');
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  async list(): Promise<readonly PodRecord[]> {
    const names = (await unlessGone(readdir(this.directory))) ?? [];
    const records = await Promise.all(
      names.filter((name) => name.endsWith(RECORD_SUFFIX)).map((name) => this.read(name)),
    );
    return records.filter((record) => record !== undefined);
  }

  async get(uid: string): Promise<PodRecord | undefined> {
    return this.read(`${uid}${RECORD_SUFFIX}`);
  }

  async put(record: PodRecord): Promise<void> {
    throw this.readOnly(record.uid);
  }

  async delete(uid: string): Promise<void> {
    throw this.readOnly(uid);
  }

  private async read(name: string): Promise<PodRecord | undefined> {
    const path = join(this.directory, name);
    const text = await unlessGone(readFile(path, 'utf8'));
    return text === undefined ? undefined : parseRecordFile(path, text);
  }

  private readOnly(uid: string): PodwrightError {
    return new PodwrightError(
      'failed-precondition',
      `The record of pod ${uid} in ${this.directory} is only observed by this process: create the runtime with access "exclusive" to change it.`,
      { details: { path: this.directory, uid } },
    );
  }
}

async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
