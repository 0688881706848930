import {
  decideOrphans,
  ORPHAN_GRACE_MS,
  type Orphan,
  type OrphanOptions,
  type OrphanReport,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { type MemoryHost, MemoryHostToken } from './memory-host.js';

/** Removes what has no owner. */
@injectable()
export class MemoryOrphans {
  constructor(
    @inject(MemoryHostToken) private readonly host: MemoryHost,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
  ) {}

  async remove(options: OrphanOptions): Promise<OrphanReport> {
    const { dryRun = false, graceMs = ORPHAN_GRACE_MS, isKnownPod } = options;
    const found = [...this.host.orphans(), ...(await this.volumeOrphans(isKnownPod))];
    const names = found.map(({ what }) => what);
    const { sweep, spare, marks } = decideOrphans(names, this.host.orphanMarks, {
      nowMs: this.host.clock.nowMs(),
      graceMs,
    });
    if (dryRun) return { removed: sweep, marked: spare, errors: [] };
    this.host.orphanMarks = marks;
    for (const { what, remove } of found) if (sweep.includes(what)) await remove();
    return { removed: sweep, marked: spare, errors: [] };
  }

  private async volumeOrphans(isKnownPod: OrphanOptions['isKnownPod']): Promise<readonly Orphan[]> {
    const orphans: Orphan[] = [];
    for (const uid of (isKnownPod && (await this.volumes.pods?.())) ?? []) {
      if (await isKnownPod?.(uid)) continue;
      orphans.push({ what: `volumes of pod ${uid}`, remove: () => this.volumes.tearDown(uid) });
    }
    return orphans;
  }
}
