import { rm } from 'node:fs/promises';
import { inject, injectable } from 'inversify';
import { ContainerStates } from './container-states.js';
import type { ContainerRecord } from './records.js';
import { StateRecords } from './state-records.js';
import { VolumeParts } from './volume-parts.js';

/** Takes away what is left on the host of a container that the runtime has removed. */
@injectable()
export class ContainerRemains {
  constructor(
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(ContainerStates) private readonly states: ContainerStates,
    @inject(VolumeParts) private readonly parts: VolumeParts,
  ) {}

  /** Idempotent. */
  async remove({ key, id, logPath, config }: ContainerRecord): Promise<void> {
    await this.parts.release(key);
    // A log that the caller has a place for is the caller's.
    if (config.logPath === undefined) await rm(logPath, { force: true });
    if (id !== undefined) this.states.forget(id);
    await this.records.containers.remove(key);
  }
}
