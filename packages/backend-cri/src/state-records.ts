import { inject, injectable } from 'inversify';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { RecordStore } from './record-store.js';
import {
  type ContainerRecord,
  containerRecordSchema,
  type SandboxRecord,
  sandboxRecordSchema,
} from './records.js';

/** What this backend has made, by the ids of the runtime. What it has no record of is somebody else's. */
@injectable()
export class StateRecords {
  readonly sandboxes: RecordStore<SandboxRecord>;
  readonly containers: RecordStore<ContainerRecord>;

  constructor(@inject(BackendLayoutToken) layout: BackendLayout) {
    this.sandboxes = new RecordStore(layout.sandboxesDir, sandboxRecordSchema);
    this.containers = new RecordStore(layout.containersDir, containerRecordSchema);
  }

  async refresh(): Promise<void> {
    await this.sandboxes.refresh();
    await this.containers.refresh();
  }
}
