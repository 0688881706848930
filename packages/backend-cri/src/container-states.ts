import {
  type CallOptions,
  type ContainerAttempt,
  type ContainerPhase,
  type ContainerStatus,
  PodwrightError,
} from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { type ContainerInfo, containerInfo } from './container-info.js';
import { CriConnection } from './cri-connection.js';
import { toMilliseconds } from './cri-numbers.js';
import type { ContainerRecord, Made } from './records.js';
import { StateRecords } from './state-records.js';
import { TerminationMessages } from './termination-messages.js';

const { ContainerState } = cri;

const PHASES: ReadonlyMap<cri.ContainerState, ContainerPhase> = new Map([
  [ContainerState.CONTAINER_CREATED, 'created'],
  [ContainerState.CONTAINER_RUNNING, 'running'],
  [ContainerState.CONTAINER_EXITED, 'exited'],
]);

const LAST_SIGNAL = 64;

/** Puts together what the runtime says of a container and what is remembered of it. */
@injectable()
export class ContainerStates {
  /** Of those that have ended, which never changes again: they are started once only. */
  private readonly ended = new Map<string, ContainerStatus>();

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(TerminationMessages) private readonly messages: TerminationMessages,
  ) {}

  /** @throws PodwrightError kind `not-found` */
  async status(record: Made<ContainerRecord>, options: CallOptions = {}): Promise<ContainerStatus> {
    this.connection.throwIfClosed();
    const before = this.ended.get(record.id);
    if (before) return { ...before, resources: record.config.resources };
    const what = `The status of container "${record.config.metadata.name}" cannot be read`;
    const response = await this.connection.call(
      what,
      ({ runtime }, call) => runtime.containerStatus({ containerId: record.id, verbose: true }, call),
      options,
    );
    if (!response.status) throw new PodwrightError('internal', `${what}: the runtime gave none.`);
    const info = containerInfo(response);
    const message = await this.messages.read(record, response.status);
    const status = toContainerStatus(record, response.status, info, message);
    if (status.state === 'exited') this.ended.set(record.id, status);
    return status;
  }

  /** @throws PodwrightError kind `not-found`, `closed` */
  async record(id: string): Promise<Made<ContainerRecord>> {
    const record = await this.find(id);
    if (record) return record;
    throw new PodwrightError('not-found', `There is no container ${id}.`, { details: { id } });
  }

  /** @throws PodwrightError kind `closed` */
  async find(id: string): Promise<Made<ContainerRecord> | undefined> {
    this.connection.throwIfClosed();
    if (!this.records.containers.get(id)) await this.records.refresh();
    return this.records.containers.get(id);
  }

  /** Undefined when it is gone. */
  async stateOf(record: Made<ContainerRecord>, options: CallOptions): Promise<ContainerPhase | undefined> {
    try {
      return (await this.status(record, options)).state;
    } catch (error) {
      if (PodwrightError.is(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /** @throws PodwrightError kind `not-found`, `closed` */
  async statusOf(id: string, options: CallOptions = {}): Promise<ContainerStatus> {
    return await this.status(await this.record(id), options);
  }

  /** Of a container that has ended; undefined when it runs, or is gone. */
  async exitCode(id: string): Promise<number | undefined> {
    const record = await this.find(id);
    if (!record || (await this.stateOf(record, {})) !== 'exited') return undefined;
    return (await this.status(record)).attempts.at(-1)?.exitCode;
  }

  forget(id: string): void {
    this.ended.delete(id);
  }
}

/** @param message what the container has said of its end */
export function toContainerStatus(
  { id, sandboxId, podUid, config, imageId, logPath }: Made<ContainerRecord>,
  status: cri.ContainerStatus,
  { pid, user }: ContainerInfo,
  message: string | undefined,
): ContainerStatus {
  const state = PHASES.get(status.state) ?? 'unknown';
  const startedAtMs = toMilliseconds(status.startedAt);
  return {
    id,
    sandboxId,
    podUid,
    metadata: config.metadata,
    state,
    createdAtMs: toMilliseconds(status.createdAt) ?? 0,
    image: config.image,
    imageId,
    labels: status.labels,
    annotations: status.annotations,
    mounts: config.mounts,
    resources: config.resources,
    ...(config.logPath === undefined ? {} : { logPath }),
    ...(state === 'running' && pid !== undefined ? { processId: pid } : {}),
    ...(user === undefined ? {} : { user }),
    attempts: startedAtMs === undefined ? [] : [toAttempt(status, startedAtMs, state, message)],
    ...(startedAtMs === undefined && status.reason !== ''
      ? { reason: status.reason, message: status.message }
      : {}),
  };
}

function toAttempt(
  status: cri.ContainerStatus,
  startedAtMs: number,
  state: ContainerPhase,
  message: string | undefined,
): ContainerAttempt {
  if (state !== 'exited') return { attempt: 0, startedAtMs };
  const { exitCode } = status;
  const signal = exitCode - 128;
  return {
    attempt: 0,
    startedAtMs,
    finishedAtMs: Math.max(toMilliseconds(status.finishedAt) ?? startedAtMs, startedAtMs),
    exitCode,
    // The CRI has no field for it: as a shell tells it.
    ...(signal > 0 && signal <= LAST_SIGNAL ? { signal } : {}),
    reason: reasonOf(status),
    ...(message === undefined ? {} : { message }),
  };
}

function reasonOf({ exitCode, reason }: cri.ContainerStatus): string {
  if (reason === 'OOMKilled' || reason === 'ContainerCannotRun' || reason === 'Unknown') return reason;
  if (reason === 'StartError') return 'ContainerCannotRun';
  return exitCode === 0 ? 'Completed' : 'Error';
}
