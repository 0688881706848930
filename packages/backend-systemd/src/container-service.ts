import {
  type CallOptions,
  Clock,
  type ContainerAttempt,
  type ContainerStatus,
  KeyedMutex,
  messageOf,
  PodwrightError,
  type StopOptions,
  throwIfAborted,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { runtimeKill } from '@podwright/oci';
import { SandboxManager } from '@podwright/sandbox';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import {
  concatMap,
  filter,
  firstValueFrom,
  fromEvent,
  merge,
  NEVER,
  type Observable,
  of,
  startWith,
  takeUntil,
  timer,
} from 'rxjs';
import { toAttempts } from './attempt-log.js';
import { SystemdBackendOptions } from './backend-options.js';
import type { ContainerRecord } from './container-record.js';
import { deriveState } from './container-state.js';
import { ContainerStore } from './container-store.js';
import { containerUnit } from './container-unit.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { HostTools } from './host-tools.js';
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
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  async start(id: string, options: CallOptions = {}): Promise<void> {
    await this.mutex.run(id, () => this.startLocked(this.store.require(id), options), options.signal);
  }

  private async startLocked(record: ContainerRecord, options: CallOptions): Promise<void> {
    const { id } = record;
    if ((await this.status(record)).state !== 'created') {
      throw new PodwrightError('failed-precondition', `Container ${id} was started before; make a new one.`, {
        details: { id },
      });
    }
    const { metadata } = this.sandboxes.get(record.sandboxId) ?? { metadata: { namespace: '?', name: '?' } };
    await this.rootfs.ensure();
    const unit = containerUnitName(id);
    const properties = containerUnit(
      record,
      this.layout.container(id),
      await this.tools.find(),
      `${metadata.namespace}/${metadata.name}`,
    );
    try {
      await this.slices.whileStarting(() =>
        this.manager.startTransientUnit(unit, properties, {
          mode: 'replace',
          timeoutMs: this.options.startTimeoutMs,
          ...options,
        }),
      );
    } catch (error) {
      await this.throwUnlessItRan(record, error);
    }
  }

  /** A container that ended at once did start: its attempt stands in the record, without a start error. */
  private async throwUnlessItRan(record: ContainerRecord, error: unknown): Promise<void> {
    const stopped = await this.stopLocked(record.id, { graceMs: 0 }).catch((cause: unknown) => cause);
    const { lines, startErrors } = await this.store.attempts(record.id);
    const line = lines.at(0);
    const startError = line && startErrors.get(line.invocation);
    if (PodwrightError.is(error, 'job-failed') && line && startError === undefined) return;
    if (PodwrightError.is(error) && error.kind !== 'job-failed') throw error;
    throw new PodwrightError(
      'container-start-failed',
      `Container "${record.config.metadata.name}" could not be started: ${startError ?? messageOf(error)}`,
      {
        cause: error,
        details: { id: record.id, ...(stopped instanceof Error ? { stopError: stopped } : {}) },
      },
    );
  }

  async stop(id: string, options: StopOptions = {}): Promise<void> {
    await this.mutex.run(id, () => this.stopLocked(id, options), options.signal);
  }

  private async stopLocked(id: string, options: StopOptions): Promise<void> {
    const record = this.store.get(id);
    if (record === undefined || (await this.activeState(containerUnitName(id))) === 'inactive') return;
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
    const before = (await this.store.attempts(record.id)).lines.length;
    const ended = this.manager.unitEvents.pipe(
      filter((event) => event.type === 'relist' || event.unit === unit),
      startWith(undefined),
      concatMap(async () => (await this.store.attempts(record.id)).lines.length > before),
      filter((hasEnded) => hasEnded),
      takeUntil(merge(timer(graceMs), aborted(options.signal))),
    );
    const waited = firstValueFrom(ended, { defaultValue: false });
    await this.signal(record, record.stopSignal);
    await waited;
    throwIfAborted(options.signal);
  }

  /** Signals the first process; conmon sees its end and tells it. Of one that is gone: nothing. */
  private async signal(record: ContainerRecord, signal: string): Promise<void> {
    const { runtime } = await this.tools.find();
    const { command, args } = runtimeKill(runtime, record.id, signal);
    await this.host.run({ command, args, okExitCodes: 'any' });
  }

  /** Stops the unit; its container is killed after `graceMs`, which is not longer than the unit's own time. */
  private async stopUnit(record: ContainerRecord, graceMs: number, options: CallOptions): Promise<void> {
    const unit = containerUnitName(record.id);
    const stopped = this.manager.stopUnit(unit, { mode: 'replace', ...options }).catch((error: unknown) => {
      if (!PodwrightError.is(error, 'not-found')) throw error;
    });
    if (graceMs < record.config.terminationGraceMs) {
      const waiting = new AbortController();
      const late = this.clock.sleep(graceMs, waiting.signal).then(
        () => true,
        () => false,
      );
      const isLate = await Promise.race([stopped.then(() => false), late]).finally(() => waiting.abort());
      if (isLate) await this.signal(record, 'KILL');
    }
    await stopped;
    await this.manager.resetFailedUnit(unit);
  }

  async remove(id: string, options: CallOptions = {}): Promise<void> {
    await this.mutex.run(
      id,
      async () => {
        if (this.store.get(id) === undefined) return;
        await this.stopLocked(id, { ...options, graceMs: 0 });
        await this.store.remove(id);
      },
      options.signal,
    );
  }

  async status(record: ContainerRecord): Promise<ContainerStatus> {
    // Files and unit are read one after the other: what changed in between is read again.
    for (;;) {
      const before = await this.store.attempts(record.id);
      const activeState = await this.activeState(containerUnitName(record.id));
      const written = await this.store.attempts(record.id);
      const isSame =
        before.lines.length === written.lines.length &&
        before.started?.invocation === written.started?.invocation;
      if (isSame) return this.toStatus(record, activeState, written);
    }
  }

  /** Listed, not read as a property: reading one makes systemd load the unit for a moment, which it tells as an event. */
  private async activeState(unit: string): Promise<string> {
    const [row] = await this.manager.listUnits({ patterns: [unit] });
    return row?.activeState ?? 'inactive';
  }

  /** Of many at once, with one question to systemd. */
  async statuses(records: readonly ContainerRecord[]): Promise<readonly ContainerStatus[]> {
    const units = await this.manager.listUnits({ patterns: ['podwright-*.service'] });
    const active = new Map(units.map((unit) => [unit.name, unit.activeState]));
    return await Promise.all(
      records.map(async (record) => {
        const activeState = active.get(containerUnitName(record.id)) ?? 'inactive';
        const written = await this.store.attempts(record.id);
        // Started after systemd was asked, or ended without a record: only a closer look tells.
        if (written.started && activeState === 'inactive') return await this.status(record);
        return this.toStatus(record, activeState, written);
      }),
    );
  }

  private toStatus(
    record: ContainerRecord,
    activeState: string,
    written: Awaited<ReturnType<ContainerStore['attempts']>>,
  ): ContainerStatus {
    const attempts: readonly ContainerAttempt[] = toAttempts(written.lines, written.startErrors);
    const derived = deriveState(record.config.restart, { activeState, attempts, ...written });
    const { config } = record;
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
      ...derived,
    };
  }
}

function aborted(signal: AbortSignal | undefined): Observable<unknown> {
  if (signal === undefined) return NEVER;
  return signal.aborted ? of(signal.reason) : fromEvent(signal, 'abort');
}
