import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  Clock,
  Logger,
  type PodSandboxStatus,
  PodwrightError,
  type SandboxRestorer,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { readBootId, SandboxManager, type SandboxRecord } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import { lostAttemptLine, toAttempts } from './attempt-log.js';
import type { ContainerRecord } from './container-record.js';
import { restartsAfter } from './container-state.js';
import { ContainerStore } from './container-store.js';
import { HostLayout } from './host-layout.js';
import { HostLock } from './host-lock.js';
import { PersistentUnits } from './persistent-units.js';
import { PodSlices } from './pod-slices.js';
import { PodUnits } from './pod-units.js';
import { RootfsMount } from './rootfs-mount.js';

/**
 * Brings sandboxes of persisted pods back. Runs at boot, one process for each pod and no agent beside them, or in an agent
 * that takes over what did not come to its end.
 */
@injectable()
export class SystemdSandboxRestorer implements SandboxRestorer {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(HostLock) private readonly lock: HostLock,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(PodUnits) private readonly pods: PodUnits,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(RootfsMount) private readonly rootfs: RootfsMount,
    @inject(PersistentUnits) private readonly units: PersistentUnits,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async isOpen(podUid: string): Promise<boolean> {
    if (!this.units.hasPod(podUid)) return false;
    const newest = this.newestOf(podUid);
    if (newest === undefined) return false;
    // One of this boot that is not ready any more has ended, and is none to come back.
    return this.units.isRestoring(podUid) || newest.bootId !== (await readBootId(this.host));
  }

  async restore(podUid: string, { signal }: CallOptions = {}): Promise<PodSandboxStatus | undefined> {
    const newest = this.newestOf(podUid);
    if (newest === undefined || (await this.isBack(newest))) return undefined;
    await this.units.beginRestore(podUid);
    await this.exclusively(async () => {
      const record = await this.sandboxes.restore(newest.id, signal);
      this.logger.info('a sandbox is back', { id: newest.id, podUid, slice: record.cgroupParent });
      if (this.slices.isOwn(record)) await this.slices.create(podUid, record.resources);
    }, signal);
    return await this.pods.status(newest.id);
  }

  async release(sandboxId: string, { signal }: CallOptions = {}): Promise<void> {
    const sandbox = this.sandboxes.get(sandboxId);
    if (sandbox === undefined) {
      throw new PodwrightError('not-found', `There is no sandbox ${sandboxId}.`, {
        details: { id: sandboxId },
      });
    }
    const records = this.store.list({ sandboxId });
    for (const record of records) await this.noteLost(record);
    const released = newestOfEachName(records).filter((record) => this.startsAgain(sandbox, record));
    await this.exclusively(async () => {
      for (const { id } of released) await this.rootfs.ensure(id);
    }, signal);
    for (const { id } of released) {
      // Its unit starts only where this is.
      const { exitDir } = this.layout.container(id);
      await mkdir(this.host.hostPath(exitDir), { recursive: true, mode: 0o700 });
    }
    await this.units.endRestore(sandbox.metadata.uid);
    await this.units.startContainers(released.map(({ id }) => id));
  }

  /** The pod's sandbox, where it is one that comes back. */
  private newestOf(podUid: string): SandboxRecord | undefined {
    const newest = this.sandboxes
      .list()
      .filter(({ metadata }) => metadata.uid === podUid)
      .toSorted((a, b) => b.metadata.attempt - a.metadata.attempt)[0];
    return newest?.persist && newest.created && !newest.stopping ? newest : undefined;
  }

  /** Whether it is of this boot, and its containers were let start. */
  private async isBack({ id, metadata }: SandboxRecord): Promise<boolean> {
    return (await this.sandboxes.verify(id)) && !this.units.isRestoring(metadata.uid);
  }

  /** While its unit cannot have started in this boot: what it says to have started ended with the boot before. */
  private async noteLost({ id }: ContainerRecord): Promise<void> {
    const { started, lines } = this.store.attempts(id);
    if (started === undefined || !this.units.hasContainer(id)) return;
    if (existsSync(this.host.hostPath(this.layout.container(id).exitDir))) return;
    const number = (lines.at(-1)?.number ?? -1) + 1;
    await this.store.addAttempt(id, lostAttemptLine(number, started, this.clock.nowMs()));
  }

  private startsAgain(sandbox: SandboxRecord, record: ContainerRecord): boolean {
    if (!this.units.covers(sandbox, record) || !this.units.hasContainer(record.id)) return false;
    const line = this.store.attempts(record.id).lines.at(-1);
    const [attempt] = line === undefined ? [] : toAttempts([line]);
    return attempt === undefined || restartsAfter(record.config.restart, attempt, line);
  }

  /** What pods share on the host is made by one process at a time. */
  private async exclusively(work: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    await mkdir(this.host.hostPath(this.layout.runDir), { recursive: true, mode: 0o700 });
    await this.lock.run(join(this.layout.runDir, 'restore.lock'), work, signal);
  }
}

/** Of containers that followed one another the last: those before it have ended for good. */
function newestOfEachName(records: readonly ContainerRecord[]): readonly ContainerRecord[] {
  const attemptOf = ({ config }: ContainerRecord) => config.metadata.attempt;
  const newest = new Map<string, ContainerRecord>();
  for (const record of records.toSorted((a, b) => attemptOf(a) - attemptOf(b))) {
    newest.set(record.config.metadata.name, record);
  }
  return [...newest.values()];
}
