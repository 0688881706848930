import {
  type CallOptions,
  Clock,
  type ContainerConfig,
  type ContainerStatus,
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
import { type JobOptions, SystemdManager, type UnitProperty, type UnitRow } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import {
  concatMap,
  filter,
  firstValueFrom,
  from,
  fromEvent,
  merge,
  NEVER,
  type Observable,
  of,
  startWith,
  takeUntil,
} from 'rxjs';
import { toAttempts } from './attempt-log.js';
import { SystemdBackendOptions } from './backend-options.js';
import { CgroupLock } from './cgroup-lock.js';
import { CgroupTree } from './cgroup-tree.js';
import type { ContainerRecord } from './container-record.js';
import { deriveState } from './container-state.js';
import { ContainerStore, type WrittenAttempts } from './container-store.js';
import { containerUnit } from './container-unit.js';
import { readNow } from './files.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';
import { PersistentUnits } from './persistent-units.js';
import { PodSlices } from './pod-slices.js';
import { RootfsMount } from './rootfs-mount.js';

/** Starts, stops and looks at containers that are there. Calls for one container are done one after the other. */
@injectable()
export class ContainerService {
  private readonly mutex = new KeyedMutex();

  constructor(
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(RootfsMount) private readonly rootfs: RootfsMount,
    @inject(HostTools) private readonly tools: HostTools,
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(PersistentUnits) private readonly persistent: PersistentUnits,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(CgroupLock) private readonly cgroupLock: CgroupLock,
    @inject(CgroupTree) private readonly cgroups: CgroupTree,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

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
    if (!isPersistent || sandbox === undefined) return;
    await this.persistent.enable(sandbox, id).catch(async (error: unknown) => {
      throw await this.undoStart(record, error);
    });
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
    await this.mutex.run(id, () => this.stopLocked(id, options), options.signal);
  }

  private async stopLocked(id: string, options: StopOptions): Promise<void> {
    // First: what is to end does not come back, also when this does not see it to its end.
    await this.persistent.removeContainer(id);
    const record = this.store.get(id);
    if (record === undefined || (await this.unitOf(id)).activeState === 'inactive') return;
    const ownGraceMs = record.config.terminationGraceMs;
    const graceMs = options.graceMs ?? ownGraceMs;
    if (graceMs > 0 && graceMs <= ownGraceMs) {
      await this.stopUnit(record, graceMs, options);
      return;
    }
    // A unit's stop timeout cannot be changed while it runs, and it begins with the stop signal: so what is longer, or
    // none at all, is done here. The marker keeps systemd from starting the next attempt meanwhile.
    await this.store.markStopping(id, true);
    try {
      if (graceMs > 0) await this.signalAndWait(record, graceMs, options);
      await this.signal(record, 'KILL');
      await this.stopUnit(record, ownGraceMs, options);
    } finally {
      await this.store.markStopping(id, false);
    }
  }

  private async signalAndWait(record: ContainerRecord, graceMs: number, options: CallOptions): Promise<void> {
    const unit = containerUnitName(record.id);
    if ((await this.status(record)).state !== 'running') return;
    const waiting = new AbortController();
    const late = this.clock.sleep(graceMs, waiting.signal).catch(() => undefined);
    const before = await this.lastEnded(record.id);
    const ended = this.manager.unitEvents.pipe(
      filter((event) => event.type === 'relist' || event.unit === unit),
      startWith(undefined),
      concatMap(async () => (await this.lastEnded(record.id)) !== before),
      filter((hasEnded) => hasEnded),
      takeUntil(merge(from(late), aborted(options.signal))),
    );
    const waited = firstValueFrom(ended, { defaultValue: false }).finally(() => waiting.abort());
    try {
      await this.signal(record, record.stopSignal);
    } finally {
      await waited;
    }
    throwIfAborted(options.signal);
  }

  /** Number of the last attempt that has ended; -1 when there is none. */
  private async lastEnded(id: string): Promise<number> {
    return this.store.attempts(id).lines.at(-1)?.number ?? -1;
  }

  /** Signals the first process; conmon sees its end and tells it. Of one that is gone: nothing. */
  private async signal(record: ContainerRecord, signal: string): Promise<void> {
    const { runtime } = await this.tools.find();
    const { command, args } = runtimeKill(runtime, record.id, signal);
    await this.host.run({ command, args, okExitCodes: 'any' });
  }

  /** Stops the unit; its container is killed after `graceMs`, which is shorter than the unit's own time. */
  private async stopUnit(record: ContainerRecord, graceMs: number, options: CallOptions): Promise<void> {
    const unit = containerUnitName(record.id);
    const stopped = this.manager.stopUnit(unit, { mode: 'replace', ...options }).catch((error: unknown) => {
      if (!PodwrightError.is(error, 'not-found')) throw error;
    });
    const waiting = new AbortController();
    const late = this.clock.sleep(graceMs, waiting.signal).then(
      () => true,
      () => false,
    );
    const isLate = await Promise.race([stopped.then(() => false), late]).finally(() => waiting.abort());
    if (isLate) await this.signal(record, 'KILL');
    await stopped;
    await this.manager.resetFailedUnit(unit);
  }

  /** @returns false when it was gone already */
  async remove(id: string, options: CallOptions = {}): Promise<boolean> {
    return await this.mutex.run(
      id,
      async () => {
        if (this.store.get(id) === undefined) return false;
        await this.stopLocked(id, { ...options, graceMs: 0 });
        await this.store.remove(id);
        return true;
      },
      options.signal,
    );
  }

  async status(record: ContainerRecord): Promise<ContainerStatus> {
    // Files and unit are read one after the other: what changed in between is read again.
    for (;;) {
      const before = this.store.attempts(record.id);
      if (!wasStarted(before)) return this.toStatus(record, NO_UNIT, before);
      const unit = await this.unitOf(record.id);
      const written = this.store.attempts(record.id);
      const isSame =
        before.lines.at(-1)?.number === written.lines.at(-1)?.number &&
        before.started?.invocation === written.started?.invocation;
      if (isSame) return this.toStatus(record, unit, written);
    }
  }

  /** Of one whose start has just succeeded, if its files say that it runs: systemd need not be asked. */
  statusOfStarted(id: string): ContainerStatus | undefined {
    const record = this.store.get(id);
    if (record === undefined) return undefined;
    const written = this.store.attempts(id);
    const runs = written.started !== undefined && written.lines.length === 0;
    return runs ? this.toStatus(record, { activeState: 'active', stopping: false }, written) : undefined;
  }

  /** Listed, not read as a property: reading one makes systemd load the unit for a moment, which it tells as an event. */
  private async unitOf(id: string): Promise<UnitState> {
    const [row] = await this.manager.listUnits({ patterns: [containerUnitName(id)] });
    return unitState(row);
  }

  /** Of many at once, with one question to systemd. */
  async statuses(records: readonly ContainerRecord[]): Promise<readonly ContainerStatus[]> {
    // What was never started has no state that systemd could tell.
    const hasStarted = records.some(({ id }) => wasStarted(this.store.attempts(id)));
    const units = hasStarted ? await this.manager.listUnits({ patterns: ['podwright-*.service'] }) : [];
    const rows = new Map(units.map((unit) => [unit.name, unit]));
    return await Promise.all(
      records.map(async (record) => {
        const unit = unitState(rows.get(containerUnitName(record.id)));
        const written = this.store.attempts(record.id);
        // Started after systemd was asked, or ended without a record: only a closer look tells.
        if (written.started && unit.activeState === 'inactive') return await this.status(record);
        return this.toStatus(record, unit, written);
      }),
    );
  }

  private toStatus(record: ContainerRecord, unit: UnitState, written: WrittenAttempts): ContainerStatus {
    const derived = deriveState(record.config.restart, {
      ...written,
      activeState: unit.activeState,
      stopping: unit.stopping || written.stopping,
      attempts: toAttempts(written.lines),
    });
    const { config, user } = record;
    const { logPath } = config;
    const processId = derived.state === 'running' ? this.processIdOf(record.id) : undefined;
    return {
      id: record.id,
      sandboxId: record.sandboxId,
      podUid: record.podUid,
      metadata: config.metadata,
      createdAtMs: record.createdAtMs,
      image: config.image,
      imageId: record.imageId,
      labels: config.labels,
      annotations: config.annotations,
      mounts: config.mounts,
      resources: config.resources,
      ...(logPath === undefined ? {} : { logPath }),
      ...(processId === undefined ? {} : { processId }),
      ...(user === undefined ? {} : { user }),
      ...derived,
    };
  }

  /** Read at once, as the attempts are; none in the moment between an attempt's end and its record. */
  private processIdOf(id: string): number | undefined {
    const pid = Number(readNow(this.host.hostPath(this.layout.container(id).pidFile)));
    return pid > 0 ? pid : undefined;
  }
}

/** What systemd says of a container's unit. */
interface UnitState {
  /** `inactive` when systemd does not know the unit. */
  readonly activeState: string;
  readonly stopping: boolean;
}

const NO_UNIT: UnitState = { activeState: 'inactive', stopping: false };

function wasStarted({ lines, started }: WrittenAttempts): boolean {
  return lines.length > 0 || started !== undefined;
}

function unitState(row: UnitRow | undefined): UnitState {
  return { activeState: row?.activeState ?? 'inactive', stopping: row?.job?.type === 'stop' };
}

function aborted(signal: AbortSignal | undefined): Observable<unknown> {
  if (signal === undefined) return NEVER;
  return signal.aborted ? of(signal.reason) : fromEvent(signal, 'abort');
}

/** For messages: the program that the runtime's own words leave out, if the configuration names it. */
function commandIn({ command }: ContainerConfig, reason: string): string {
  const [program] = command ?? [];
  return program === undefined || reason.includes(program) ? '' : ` (command "${program}")`;
}
