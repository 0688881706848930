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
import { SandboxManager, type SandboxRecord } from '@podwright/sandbox';
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

/** Brings sandboxes of persisted pods back. Runs at boot, one process for each pod and no agent beside them. */
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

  async restore(podUid: string, { signal }: CallOptions = {}): Promise<PodSandboxStatus | undefined> {
    const newest = this.sandboxes
      .list()
      .filter(({ metadata }) => metadata.uid === podUid)
      .toSorted((a, b) => b.metadata.attempt - a.metadata.attempt)[0];
    if (newest === undefined || !newest.persist || newest.stopping || !newest.created) return undefined;
    if ((await this.sandboxes.verify(newest.id)) && this.isReleased(newest)) return undefined;
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
    await this.exclusively(async () => {
      for (const record of this.store.list({ sandboxId })) await this.releaseContainer(sandbox, record);
    }, signal);
  }

  /** Whether its containers were let start in this boot. */
  private isReleased({ id }: SandboxRecord): boolean {
    return this.store
      .list({ sandboxId: id })
      .filter((record) => this.units.hasContainer(record.id))
      .every((record) => existsSync(this.host.hostPath(this.layout.container(record.id).exitDir)));
  }

  private async releaseContainer(sandbox: SandboxRecord, record: ContainerRecord): Promise<void> {
    const { started, lines } = this.store.attempts(record.id);
    // Its unit has not started in this boot yet: what it says to have started ended with the boot before.
    if (started !== undefined && this.units.hasContainer(record.id)) {
      const number = (lines.at(-1)?.number ?? -1) + 1;
      await this.store.addAttempt(record.id, lostAttemptLine(number, started, this.clock.nowMs()));
    }
    if (!this.units.covers(sandbox, record) || !this.units.hasContainer(record.id)) return;
    const last = this.store.attempts(record.id).lines.at(-1);
    const [attempt] = last === undefined ? [] : toAttempts([last]);
    if (attempt !== undefined && !restartsAfter(record.config.restart, attempt, last)) return;
    await this.rootfs.ensure(record.id);
    // Its unit starts only where this is.
    const { exitDir } = this.layout.container(record.id);
    await mkdir(this.host.hostPath(exitDir), { recursive: true, mode: 0o700 });
  }

  /** What pods share on the host is made by one process at a time. */
  private async exclusively(work: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    await mkdir(this.host.hostPath(this.layout.runDir), { recursive: true, mode: 0o700 });
    await this.lock.run(join(this.layout.runDir, 'restore.lock'), work, signal);
  }
}
