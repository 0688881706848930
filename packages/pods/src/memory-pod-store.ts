import type { PodRecord, PodStore } from '@podwright/core';
import { injectable } from 'inversify';

/** Remembers pods as long as the process lives: for tests, and for backends whose pods end with the process. */
@injectable()
export class MemoryPodStore implements PodStore {
  private readonly records = new Map<string, PodRecord>();

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  async list(): Promise<readonly PodRecord[]> {
    return [...this.records.values()];
  }

  async get(uid: string): Promise<PodRecord | undefined> {
    return this.records.get(uid);
  }

  async put(record: PodRecord): Promise<void> {
    this.records.set(record.uid, record);
  }

  async delete(uid: string): Promise<void> {
    this.records.delete(uid);
  }
}
