import {
  Clock,
  decideOrphans,
  messageOf,
  ORPHAN_GRACE_MS,
  type Orphan,
  type OrphanOptions,
  type OrphanReport,
  PodwrightError,
  throwIfAborted,
} from '@podwright/core';
import { ImageLeftovers } from '@podwright/images';
import { SandboxManager } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { FileOrphans } from './file-orphans.js';
import { OrphanMarksFile } from './orphan-marks-file.js';
import { UnitFileOrphans } from './unit-file-orphans.js';
import { UnitOrphans } from './unit-orphans.js';

/** Marks what has no owner, and sweeps what had none for the whole grace; in each part one failure stops nothing else. */
@injectable()
export class OrphanCollector {
  constructor(
    @inject(UnitOrphans) private readonly units: UnitOrphans,
    @inject(UnitFileOrphans) private readonly unitFiles: UnitFileOrphans,
    @inject(FileOrphans) private readonly files: FileOrphans,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ImageLeftovers) private readonly images: ImageLeftovers,
    @inject(OrphanMarksFile) private readonly marks: OrphanMarksFile,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  async collect(options: OrphanOptions = {}): Promise<OrphanReport> {
    const { signal, dryRun = false, graceMs = ORPHAN_GRACE_MS, isKnownPod } = options;
    const removed: string[] = [];
    const errors: Error[] = [];
    const found: Orphan[] = [];
    // What runs goes before what it stands on.
    const parts: readonly (readonly [string, () => Promise<readonly Orphan[]>])[] = [
      ['units', () => this.units.find()],
      ['unit files', () => this.unitFiles.find()],
      ['directories of containers', () => this.files.ofContainers()],
      ['sandboxes', () => this.sandboxes.findOrphans((id) => this.hasContainers(id))],
      ['volumes', () => this.files.volumesOfPods(isKnownPod)],
      ['images', () => this.images.find()],
    ];
    for (const [what, find] of parts) {
      throwIfAborted(signal);
      try {
        found.push(...(await find()));
      } catch (cause) {
        errors.push(failure(`Which ${what} have no owner cannot be told`, cause));
      }
    }
    const names = found.map(({ what }) => what);
    const { sweep, spare, marks } = decideOrphans(names, await this.marks.read(), {
      nowMs: this.clock.nowMs(),
      graceMs,
    });
    if (dryRun) return { removed: sweep, marked: spare, errors };
    // Before anything goes: an agent that ends in the middle of this leaves the rest marked.
    await this.marks.write(marks);
    const due = new Set(sweep);
    for (const orphan of found) {
      if (!due.has(orphan.what)) continue;
      throwIfAborted(signal);
      try {
        await orphan.remove();
        removed.push(orphan.what);
      } catch (cause) {
        errors.push(failure(`${orphan.what} could not be removed`, cause));
      }
    }
    // An agent that ended before its first sandbox leaves what sandboxes share, and nothing that could be marked.
    await this.sandboxes
      .releaseUnused()
      .catch((cause: unknown) => errors.push(failure('What sandboxes share could not be removed', cause)));
    const gone = new Set(removed);
    if (gone.size > 0) await this.marks.write(new Map([...marks].filter(([name]) => !gone.has(name))));
    return { removed, marked: spare, errors };
  }

  /** They go with their pod, and their sandbox with them. */
  private hasContainers(sandboxId: string): boolean {
    return this.store.list({ sandboxId }).length > 0;
  }
}

function failure(what: string, cause: unknown): PodwrightError {
  return new PodwrightError(
    PodwrightError.is(cause) ? cause.kind : 'internal',
    `${what}: ${messageOf(cause)}`,
    {
      cause,
    },
  );
}
