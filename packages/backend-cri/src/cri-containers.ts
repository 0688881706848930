import {
  type CallOptions,
  type ContainerFilter,
  type ContainerResources,
  type ContainerStatus,
  isWanted,
  KeyedMutex,
  mergeResources,
  PodwrightError,
  type StopOptions,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ContainerCheck } from './container-check.js';
import { ContainerRemains } from './container-remains.js';
import { ContainerStates } from './container-states.js';
import { CriConnection } from './cri-connection.js';
import { toSeconds } from './cri-numbers.js';
import { StateRecords } from './state-records.js';
import { StateWatcher } from './state-watcher.js';
import { toCriResources } from './to-cri-resources.js';
import { VolumeParts } from './volume-parts.js';

/** Beyond the grace of a stop, for the answer. */
const STOP_MARGIN_MS = 60_000;

/** Starts, stops, removes and lists containers through the runtime. */
@injectable()
export class CriContainers {
  private readonly mutex = new KeyedMutex();

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(ContainerCheck) private readonly check: ContainerCheck,
    @inject(VolumeParts) private readonly parts: VolumeParts,
    @inject(ContainerRemains) private readonly remains: ContainerRemains,
    @inject(ContainerStates) private readonly states: ContainerStates,
    @inject(StateWatcher) private readonly watcher: StateWatcher,
  ) {}

  async start(id: string, options: CallOptions): Promise<void> {
    const record = await this.states.record(id);
    const { name } = record.config.metadata;
    await this.mutex.run(
      id,
      async () => {
        const { state } = await this.states.status(record, options);
        if (state !== 'created') {
          throw new PodwrightError(
            'failed-precondition',
            `Container "${name}" was started before (it is ${state}), and a container is started once.`,
            { details: { id, state } },
          );
        }
        await this.parts.bind(record.key, record.config.mounts, options);
        try {
          await this.connection.call(
            `Container "${name}" did not start`,
            ({ runtime }, call) => runtime.startContainer({ containerId: id }, call),
            { ...options, kind: 'start' },
          );
        } finally {
          await this.watcher.lookQuietly();
        }
      },
      options.signal,
    );
  }

  /** A grace that is no whole number of seconds is rounded up: the CRI counts in seconds. */
  async stop(id: string, { graceMs, signal }: StopOptions): Promise<void> {
    const record = await this.states.find(id);
    if (!record) return;
    const call = signal ? { signal } : {};
    const state = await this.states.stateOf(record, call);
    if (state !== 'running' && state !== 'unknown') return;
    const grace = graceMs ?? record.config.terminationGraceMs;
    await this.connection.callIfThere(
      `Container "${record.config.metadata.name}" was not stopped`,
      ({ runtime }, rpc) => runtime.stopContainer({ containerId: id, timeout: toSeconds(grace) }, rpc),
      { ...call, timeoutMs: grace + STOP_MARGIN_MS },
    );
    await this.watcher.lookQuietly();
  }

  async remove(id: string, options: CallOptions): Promise<void> {
    await this.stop(id, { ...options, graceMs: 0 });
    const record = await this.states.find(id);
    if (!record) return;
    await this.connection.callWhenSettled(
      `Container "${record.config.metadata.name}" was not removed`,
      ({ runtime }, call) => runtime.removeContainer({ containerId: id }, call),
      options,
    );
    await this.remains.remove(record);
    await this.watcher.lookQuietly();
  }

  async list(filter: ContainerFilter, options: CallOptions): Promise<readonly ContainerStatus[]> {
    await this.records.refresh();
    const { containers } = await this.connection.call(
      'The containers cannot be listed',
      ({ runtime }, call) =>
        runtime.listContainers({ filter: { labelSelector: { ...filter.labels } } }, call),
      options,
    );
    const own = containers
      .flatMap((item) => {
        const record = this.records.containers.get(item.id);
        const { id, labels } = item;
        // The state is that of the status, which is asked for later than the list.
        return record && isWanted({ ...record, id, labels }, filter) ? [{ item, record }] : [];
      })
      .sort((a, b) => Number(b.item.createdAt - a.item.createdAt));
    const statuses = await Promise.all(
      own.map(({ record }) =>
        this.states.status(record, options).catch((error: unknown) => {
          // Removed between the two calls.
          if (!PodwrightError.is(error, 'not-found')) throw error;
          return undefined;
        }),
      ),
    );
    return statuses.filter(
      (status) => status !== undefined && (filter.state === undefined || filter.state === status.state),
    ) as readonly ContainerStatus[];
  }

  async update(id: string, change: ContainerResources, options: CallOptions): Promise<void> {
    const record = await this.states.record(id);
    const { name } = record.config.metadata;
    const resources = mergeResources(record.config.resources, change);
    await this.mutex.run(
      id,
      async () => {
        const { state } = await this.states.status(record, options);
        if (state !== 'running' && state !== 'created') {
          throw new PodwrightError(
            'failed-precondition',
            `Container "${name}" has ended: it has no limits any more.`,
          );
        }
        await this.check.resources(resources, `container "${name}"`);
        await this.connection.call(
          `The limits of container "${name}" were not changed`,
          ({ runtime }, call) =>
            runtime.updateContainerResources({ containerId: id, linux: toCriResources(resources) }, call),
          { ...options, kind: 'update' },
        );
        await this.records.containers.put({ ...record, config: { ...record.config, resources } });
      },
      options.signal,
    );
  }

  async reopenLog(id: string, options: CallOptions): Promise<void> {
    const { state, metadata, logPath } = await this.states.statusOf(id, options);
    if (logPath === undefined) {
      throw new PodwrightError(
        'failed-precondition',
        `The log of container "${metadata.name}" is this backend's own: only a container made with logPath has one to be opened anew.`,
      );
    }
    if (state !== 'running') {
      throw new PodwrightError(
        'failed-precondition',
        `Container "${metadata.name}" does not run: nobody writes its log.`,
      );
    }
    await this.connection.call(
      `The log of container "${metadata.name}" was not opened anew`,
      ({ runtime }, call) => runtime.reopenContainerLog({ containerId: id }, call),
      options,
    );
  }
}
