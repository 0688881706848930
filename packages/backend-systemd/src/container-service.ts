import {
  type CallOptions,
  Clock,
  type ContainerConfig,
  fired,
  HurriedStops,
  KeyedMutex,
  Logger,
  messageOf,
  PodwrightError,
  type StopOptions,
  throwIfAborted,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { runtimeKill } from '@podwright/oci';
import { SandboxManager } from '@podwright/sandbox';
import { type JobOptions, SystemdManager, type UnitProperty } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { AttemptEnds } from './attempt-ends.js';
import { SystemdBackendOptions } from './backend-options.js';
import { CgroupLock } from './cgroup-lock.js';
import { CgroupTree } from './cgroup-tree.js';
import { ContainerProcesses } from './container-processes.js';
import type { ContainerRecord } from './container-record.js';
import { isRestarted, wasStarted } from './container-state.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore, type WrittenAttempts } from './container-store.js';
import { containerUnit } from './container-unit.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';
import { PersistentUnits } from './persistent-units.js';
import { PodSlices } from './pod-slices.js';
import { RootfsMount } from './rootfs-mount.js';

/** Starts, stops and removes containers that are there. Calls for one container are done one after the other. */
@injectable()
export class ContainerService {
  private readonly mutex = new KeyedMutex();
  private readonly stops: HurriedStops;

  constructor(
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(RootfsMount) private readonly rootfs: RootfsMount,
    @inject(HostTools) private readonly tools: HostTools,
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(ContainerProcesses) private readonly processes: ContainerProcesses,
    @inject(AttemptEnds) private readonly ends: AttemptEnds,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(PersistentUnits) private readonly persistent: PersistentUnits,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(CgroupLock) private readonly cgroupLock: CgroupLock,
    @inject(CgroupTree) private readonly cgroups: CgroupTree,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {
    this.stops = new HurriedStops(clock);
  }

  /**
   * Does something with a container while nobody starts or stops it.
   * @throws PodwrightError kind `not-found`
   */
  async exclusively<T>(
    id: string,
    work: (record: ContainerRecord) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return await this.mutex.run(id, () => work(this.store.require(id)), signal);
  }

  async start(id: string, options: CallOptions = {}): Promise<void> {
    await this.mutex.run(id, () => this.startLocked(this.store.require(id), options), options.signal);
  }

  private async startLocked(record: ContainerRecord, options: CallOptions): Promise<void> {
    const { id } = record;
    this.cgroupLock.warm();
    if (wasStarted(this.store.attempts(id))) {
      throw new PodwrightError('failed-precondition', `Container ${id} was started before; make a new one.`, {
        details: { id },
      });
    }
    const { metadata } = this.sandboxes.get(record.sandboxId) ?? { metadata: { namespace: '?', name: '?' } };
    await this.rootfs.ensure(id);
    const unit = containerUnitName(id);
    const properties = containerUnit(
      record,
      this.layout.container(id),
      await this.tools.find(),
      `${metadata.namespace}/${metadata.name}`,
      await this.cgroups.version(),
    );
    const sandbox = this.sandboxes.get(record.sandboxId);
    const isPersistent = this.persistent.covers(sandbox, record);
    try {
      const job: JobOptions = { mode: 'replace', timeoutMs: this.options.startTimeoutMs, ...options };
      await this.slices.whileStarting(() =>
        isPersistent ? this.persistent.start(record, properties, job) : this.startUnit(unit, properties, job),
      );
    } catch (error) {
      const didRun = PodwrightError.is(error, 'job-failed') && (await this.didRun(id));
      if (!didRun) throw await this.undoStart(record, error);
    }
    if (sandbox?.persist !== true) return;
    try {
      if (isPersistent) await this.persistent.enable(sandbox, id);
      await this.retirePredecessors(record);
    } catch (error) {
      throw await this.undoStart(record, error);
    }
  }

  /** Those that an operator stopped have their unit files yet, and would run beside this one after a reboot. */
  private async retirePredecessors({ id, sandboxId, config }: ContainerRecord): Promise<void> {
    for (const other of this.store.list({ sandboxId })) {
      const isSameName = other.config.metadata.name === config.metadata.name;
      if (isSameName && other.id !== id) await this.persistent.removeContainer(other.id);
    }
  }

  private async startUnit(unit: string, properties: readonly UnitProperty[], job: JobOptions): Promise<void> {
    try {
      await this.manager.startTransientUnit(unit, properties, job);
    } catch (error) {
      if (!PodwrightError.is(error, 'already-exists')) throw error;
      // An agent that ended in the middle of this asked for the same: its job is joined.
      await this.manager.startUnit(unit, job);
    }
  }

  /**
   * A container that ends at once can fail its unit's start, and was started: there is its marker, or already the line
   * of its end, without a start error.
   */
  private async didRun(id: string): Promise<boolean> {
    const { started, lines } = this.store.attempts(id);
    const [line] = lines;
    return started !== undefined || (line !== undefined && line.startError === undefined);
  }

  /** @returns what to throw: for a start that the unit refused its own reason, else the error as it is */
  private async undoStart(record: ContainerRecord, error: unknown): Promise<unknown> {
    const { id, config } = record;
    const stopError = await this.stopLocked(id, { graceMs: 0 }).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    if (stopError !== undefined) {
      this.logger.error(`Container ${id} failed to start, and could not be stopped: ${messageOf(stopError)}`);
    }
    if (!PodwrightError.is(error, 'job-failed')) return error;
    const { lines } = this.store.attempts(id);
    const reason = lines.at(-1)?.startError ?? messageOf(error);
    return new PodwrightError(
      'container-start-failed',
      `Container "${config.metadata.name}" could not be started: ${reason}${commandIn(config, reason)}`,
      { cause: error, details: { id } },
    );
  }

  async stop(id: string, options: StopOptions = {}): Promise<void> {
    const graceMs = options.graceMs ?? this.store.get(id)?.config.terminationGraceMs ?? 0;
    await this.stops.run(
      id,
      graceMs,
      (work) => this.mutex.run(id, work, options.signal),
      (hurry) => this.stopLocked(id, options, hurry),
    );
  }

  /** @param hurry when the rest of the grace is not to be waited for */
  private async stopLocked(id: string, options: StopOptions, hurry?: AbortSignal): Promise<void> {
    // First: what is to end does not come back, also when this does not see it to its end.
    await this.persistent.removeContainer(id);
    const record = this.store.get(id);
    if (record === undefined) return;
    const { activeState, queued } = await this.statuses.unitOf(id);
    if (activeState === 'inactive' && !queued) return;
    if (activeState === 'failed' && !queued) return await this.manager.resetFailedUnit(containerUnitName(id));
    const ownGraceMs = record.config.terminationGraceMs;
    const graceMs = options.graceMs ?? ownGraceMs;
    if (graceMs > 0 && graceMs <= ownGraceMs) {
      await this.stopUnit(record, graceMs, options, hurry);
      return;
    }
    // A unit's stop timeout cannot be changed while it runs, and it begins with the stop signal: so what is longer, or
    // none at all, is done here. The marker keeps systemd from starting the next attempt meanwhile.
    const isMarked = isRestarted(record.config.restart);
    if (isMarked) await this.store.markStopping(id, true);
    try {
      if (graceMs > 0) await this.signalAndWait(record, graceMs, options, hurry);
      await this.signal(record, 'KILL');
      await this.stopUnit(record, ownGraceMs, options);
    } finally {
      if (isMarked) await this.store.markStopping(id, false);
    }
  }

  private async signalAndWait(
    record: ContainerRecord,
    graceMs: number,
    options: CallOptions,
    hurry: AbortSignal | undefined,
  ): Promise<void> {
    if ((await this.statuses.of(record)).state !== 'running') return;
    const lastEnded = ({ lines }: WrittenAttempts) => lines.at(-1)?.number ?? -1;
    const before = lastEnded(this.store.attempts(record.id));
    const signals = [options.signal, hurry].filter((signal) => signal !== undefined);
    const waited = this.ends.wait(record.id, (written) => lastEnded(written) !== before, {
      timeoutMs: graceMs,
      signal: AbortSignal.any(signals),
    });
    try {
      await this.signal(record, record.stopSignal);
    } finally {
      await waited;
    }
    throwIfAborted(options.signal);
  }

  /** Signals the first process; conmon sees its end and tells it. Of one that is gone: nothing. */
  private async signal(record: ContainerRecord, signal: string): Promise<void> {
    if (this.processes.signal(record.id, signal)) return;
    const { runtime } = await this.tools.find();
    const { command, args } = runtimeKill(runtime, record.id, signal);
    await this.host.run({ command, args, okExitCodes: 'any' });
  }

  /** Stops the unit; its container is killed after `graceMs`, which is shorter than the unit's own time. */
  private async stopUnit(
    record: ContainerRecord,
    graceMs: number,
    options: CallOptions,
    hurry?: AbortSignal,
  ): Promise<void> {
    const unit = containerUnitName(record.id);
    const stopped = this.manager.stopUnit(unit, { mode: 'replace', ...options }).catch((error: unknown) => {
      if (!PodwrightError.is(error, 'not-found')) throw error;
    });
    const waiting = new AbortController();
    const late = this.clock.sleep(graceMs, waiting.signal).then(
      () => true,
      () => false,
    );
    const hurried = hurry === undefined ? [] : [fired(hurry).then(() => true)];
    const ends = [stopped.then(() => false), late, ...hurried];
    const isLate = await Promise.race(ends).finally(() => waiting.abort());
    if (isLate) await this.signal(record, 'KILL');
    await stopped;
    await this.manager.resetFailedUnit(unit);
  }

  /** @returns false when it was gone already */
  async remove(id: string, options: CallOptions = {}): Promise<boolean> {
    return await this.stops.run(
      id,
      0,
      (work) => this.mutex.run(id, work, options.signal),
      async () => {
        if (this.store.get(id) === undefined) return false;
        await this.stopLocked(id, { ...options, graceMs: 0 });
        await this.store.remove(id);
        return true;
      },
    );
  }
}

/** For messages: the program that the runtime's own words leave out, if the configuration names it. */
function commandIn({ command }: ContainerConfig, reason: string): string {
  const [program] = command ?? [];
  return program === undefined || reason.includes(program) ? '' : ` (command "${program}")`;
}
