import type { ContainerStatus } from '@podwright/core';
import { SystemdManager, type UnitRow } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { AttemptEnds } from './attempt-ends.js';
import { toAttempts } from './attempt-log.js';
import { ContainerProcesses } from './container-processes.js';
import type { ContainerRecord } from './container-record.js';
import { deriveState, isRestarted, wasStarted } from './container-state.js';
import { ContainerStore, type WrittenAttempts } from './container-store.js';
import { containerUnitName } from './host-layout.js';

/**
 * How long a status waits for the record of an attempt whose process has ended: the unit's script writes it within some
 * 20 ms, and what has ended is not to be told as running meanwhile.
 */
const RECORD_MS = 500;

/** What systemd says of a container's unit. */
interface UnitState {
  /** `inactive` when systemd does not know the unit. */
  readonly activeState: string;
  /** It is not up, and has a job to start: at boot that waits for the restore of its pod. */
  readonly queued: boolean;
  readonly stopping: boolean;
}

const NO_UNIT: UnitState = { activeState: 'inactive', queued: false, stopping: false };
const ACTIVE: UnitState = { activeState: 'active', queued: false, stopping: false };
const STARTS: ReadonlySet<string | undefined> = new Set(['start', 'restart']);

/** Tells what containers do, from what was written of them, their processes and, where these do not tell it, systemd. */
@injectable()
export class ContainerStatuses {
  constructor(
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerProcesses) private readonly processes: ContainerProcesses,
    @inject(AttemptEnds) private readonly ends: AttemptEnds,
    @inject(SystemdManager) private readonly manager: SystemdManager,
  ) {}

  async of(record: ContainerRecord): Promise<ContainerStatus> {
    return await this.statusBy(record, () => this.unitOf(record.id));
  }

  private async statusBy(
    record: ContainerRecord,
    askUnit: () => Promise<UnitState>,
  ): Promise<ContainerStatus> {
    // Files and unit are read one after the other: what changed in between is read again.
    for (let hasWaited = false; ; ) {
      const before = this.store.attempts(record.id);
      const { started } = before;
      const isEnding = started !== undefined && this.processes.phaseOf(record.id) === 'ended';
      if (isEnding && !hasWaited) {
        hasWaited = true;
        const isOver = (written: WrittenAttempts) => written.started?.invocation !== started.invocation;
        await this.ends.wait(record.id, isOver, { timeoutMs: RECORD_MS });
        continue;
      }
      const known = this.knownUnit(record, before);
      if (known !== undefined) return this.toStatus(record, known, before);
      const unit = await askUnit();
      const written = this.store.attempts(record.id);
      const isSame =
        before.lines.at(-1)?.number === written.lines.at(-1)?.number &&
        before.started?.invocation === written.started?.invocation;
      if (isSame) return this.toStatus(record, unit, written);
    }
  }

  /** The state of a container's unit as far as it matters, where its files and its process tell it without systemd. */
  private knownUnit({ id, config }: ContainerRecord, written: WrittenAttempts): UnitState | undefined {
    if (!wasStarted(written)) return NO_UNIT;
    if (written.started !== undefined) return this.processes.phaseOf(id) === 'alive' ? ACTIVE : undefined;
    return isRestarted(config.restart) ? undefined : NO_UNIT;
  }

  /** Of one whose start has just succeeded, if its files say that it runs: systemd need not be asked. */
  ofStarted(id: string): ContainerStatus | undefined {
    const record = this.store.get(id);
    if (record === undefined) return undefined;
    const written = this.store.attempts(id);
    const runs = written.started !== undefined && written.lines.length === 0;
    return runs ? this.toStatus(record, ACTIVE, written) : undefined;
  }

  /** Listed, not read as a property: reading one makes systemd load the unit for a moment, which it tells as an event. */
  async unitOf(id: string): Promise<UnitState> {
    const [row] = await this.manager.listUnits({ patterns: [containerUnitName(id)] });
    return unitState(row);
  }

  /** Of many at once, with one question to systemd at most. */
  async ofAll(records: readonly ContainerRecord[]): Promise<readonly ContainerStatus[]> {
    let asked: Promise<ReadonlyMap<string, UnitRow>> | undefined;
    const askAll = async () => {
      const units = await this.manager.listUnits({ patterns: ['podwright-*.service'] });
      return new Map(units.map((unit) => [unit.name, unit]));
    };
    return await Promise.all(
      records.map(async (record) => {
        let isAsked = false;
        return await this.statusBy(record, async () => {
          // What has changed since systemd was asked for all needs a look of its own.
          if (isAsked) return await this.unitOf(record.id);
          isAsked = true;
          asked ??= askAll();
          const unit = unitState((await asked).get(containerUnitName(record.id)));
          const hasStarted = this.store.attempts(record.id).started !== undefined;
          return hasStarted && unit.activeState === 'inactive' ? await this.unitOf(record.id) : unit;
        });
      }),
    );
  }

  private toStatus(record: ContainerRecord, unit: UnitState, written: WrittenAttempts): ContainerStatus {
    const derived = deriveState(record.config.restart, {
      ...written,
      activeState: unit.activeState,
      queued: unit.queued,
      stopping: unit.stopping || written.stopping,
      attempts: toAttempts(written.lines),
    });
    const { config, user } = record;
    const { logPath } = config;
    const processId = derived.state === 'running' ? this.processes.idOf(record.id) : undefined;
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
}

function unitState(row: UnitRow | undefined): UnitState {
  const activeState = row?.activeState ?? 'inactive';
  const isDown = activeState === 'inactive' || activeState === 'failed';
  return { activeState, queued: isDown && STARTS.has(row?.job?.type), stopping: row?.job?.type === 'stop' };
}
