import { readFile } from 'node:fs/promises';
import {
  Clock,
  decideOrphans,
  messageOf,
  ORPHAN_GRACE_MS,
  type Orphan,
  type OrphanMarks,
  type OrphanOptions,
  type OrphanReport,
  PodwrightError,
  systemErrorCode,
  throwIfAborted,
  VolumeProvider,
} from '@podwright/core';
import { writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { z } from 'zod';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { ContainerRemains } from './container-remains.js';
import { CriConnection } from './cri-connection.js';
import { StateRecords } from './state-records.js';

const VERSION = 1;
const marksSchema = z.strictObject({
  version: z.literal(VERSION),
  firstSeenMs: z.record(z.string(), z.number()),
});

/**
 * Finds what is left on the host of sandboxes and containers that the runtime no longer has, because somebody else removed
 * them or its store was lost. What of the runtime's has no record here is somebody else's and stays.
 */
@injectable()
export class OrphanCollector {
  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(ContainerRemains) private readonly remains: ContainerRemains,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
    @inject(BackendLayoutToken) private readonly layout: BackendLayout,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  async collect({
    signal,
    dryRun = false,
    graceMs = ORPHAN_GRACE_MS,
    isKnownPod,
  }: OrphanOptions): Promise<OrphanReport> {
    const found = [...(await this.ofRecords()), ...(await this.ofVolumes(isKnownPod))];
    const names = found.map(({ what }) => what);
    const { sweep, spare, marks } = decideOrphans(names, await this.readMarks(), {
      nowMs: this.clock.nowMs(),
      graceMs,
    });
    if (dryRun) return { removed: sweep, marked: spare, errors: [] };
    // Before anything goes: an agent that ends in the middle of this leaves the rest marked.
    await this.writeMarks(marks);
    const removed: string[] = [];
    const errors: Error[] = [];
    const due = new Set(sweep);
    for (const { what, remove } of found) {
      if (!due.has(what)) continue;
      throwIfAborted(signal);
      try {
        await remove();
        removed.push(what);
      } catch (cause) {
        const kind = PodwrightError.is(cause) ? cause.kind : 'internal';
        errors.push(new PodwrightError(kind, `${what} could not be removed: ${messageOf(cause)}`, { cause }));
      }
    }
    const gone = new Set(removed);
    if (gone.size > 0) await this.writeMarks(new Map([...marks].filter(([name]) => !gone.has(name))));
    return { removed, marked: spare, errors };
  }

  private async ofRecords(): Promise<readonly Orphan[]> {
    await this.records.refresh();
    const { containers, sandboxes } = this.records;
    const strays = {
      containers: await containers.withoutRecord(),
      sandboxes: await sandboxes.withoutRecord(),
    };
    const known = { containers: containers.all(), sandboxes: sandboxes.all() };
    // Asked after the records were read: what was made in between is in neither.
    const [pods, all] = await this.connection.call('What runs cannot be listed', ({ runtime }, call) =>
      Promise.all([runtime.listPodSandbox({}, call), runtime.listContainers({}, call)]),
    );
    const there = new Set([...pods.items, ...all.containers].map(({ id }) => id));
    return [
      ...strays.containers.map((key) => ({
        what: `directory ${this.layout.container(key).directory}`,
        remove: () => containers.remove(key),
      })),
      ...strays.sandboxes.map((key) => ({
        what: `directory ${this.layout.sandbox(key).directory}`,
        remove: () => sandboxes.remove(key),
      })),
      ...known.containers
        .filter(({ id }) => !there.has(id))
        .map((record) => ({
          what: `record of container ${record.id}`,
          remove: () => this.remains.remove(record),
        })),
      ...known.sandboxes
        .filter(({ id }) => !there.has(id))
        .map(({ id, key }) => ({ what: `record of sandbox ${id}`, remove: () => sandboxes.remove(key) })),
    ];
  }

  private async ofVolumes(isKnownPod: OrphanOptions['isKnownPod']): Promise<readonly Orphan[]> {
    if (!isKnownPod) return [];
    const uids = (await this.volumes.pods?.()) ?? [];
    const withSandbox = new Set(this.records.sandboxes.all().map(({ config }) => config.metadata.uid));
    const found: Orphan[] = [];
    for (const uid of uids) {
      if (withSandbox.has(uid) || (await isKnownPod(uid))) continue;
      found.push({ what: `volumes of pod ${uid}`, remove: () => this.volumes.tearDown(uid) });
    }
    return found;
  }

  /** Of a file that cannot be read nothing is known: everything gets its whole grace anew. */
  private async readMarks(): Promise<OrphanMarks> {
    try {
      const text = await readFile(this.layout.orphanMarksFile, 'utf8');
      return new Map(Object.entries(marksSchema.parse(JSON.parse(text)).firstSeenMs));
    } catch (error) {
      if (systemErrorCode(error) !== '' && systemErrorCode(error) !== 'ENOENT') throw error;
      return new Map();
    }
  }

  private async writeMarks(marks: OrphanMarks): Promise<void> {
    const content = { version: VERSION, firstSeenMs: Object.fromEntries(marks) };
    await writeFileAtomic(this.layout.orphanMarksFile, `${JSON.stringify(content)}\n`);
  }
}
