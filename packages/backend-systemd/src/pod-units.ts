import { randomBytes } from 'node:crypto';
import {
  type CallOptions,
  Clock,
  type ContainerConfig,
  isWanted,
  KeyedMutex,
  Logger,
  messageOf,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStatus,
  PodwrightError,
} from '@podwright/core';
import { SandboxManager, type SandboxRecord } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import type { Subscription } from 'rxjs';
import { CgroupLock } from './cgroup-lock.js';
import { ContainerFactory } from './container-factory.js';
import { ContainerService } from './container-service.js';
import { ContainerStore } from './container-store.js';
import { ContainerWatcher } from './container-watcher.js';
import { PersistentUnits } from './persistent-units.js';
import { askedSlice } from './pod-placement.js';
import { PodSlices } from './pod-slices.js';
import { UserNamespaces } from './user-namespaces.js';

/** Sandboxes with their slices and containers. Calls for one sandbox are done one after the other. */
@injectable()
export class PodUnits {
  private readonly mutex = new KeyedMutex();
  private laterStops: Subscription | undefined;

  constructor(
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(PersistentUnits) private readonly persistent: PersistentUnits,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerFactory) private readonly factory: ContainerFactory,
    @inject(ContainerService) private readonly containers: ContainerService,
    @inject(ContainerWatcher) private readonly watcher: ContainerWatcher,
    @inject(UserNamespaces) private readonly users: UserNamespaces,
    @inject(CgroupLock) private readonly cgroupLock: CgroupLock,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Tells of stops that had failed and are done later by themselves. */
  watchStops(): void {
    this.laterStops ??= this.sandboxes.stoppedLater.subscribe((id) => {
      const record = this.sandboxes.get(id);
      if (record) this.watcher.emit({ ...this.eventBase(record), type: 'sandbox-stopped' });
    });
  }

  /** Nothing is tried again by this process any more. */
  async close(): Promise<void> {
    this.laterStops?.unsubscribe();
    await this.sandboxes[Symbol.asyncDispose]();
  }

  async run(config: PodSandboxConfig, options: CallOptions): Promise<string> {
    if (config.userNamespace === 'pod') await this.users.check();
    // Here and below: a start follows.
    if (config.persist === true) this.persistent.requirePossible();
    this.cgroupLock.warm();
    const id = randomBytes(32).toString('hex');
    const cgroupParent = askedSlice(config) ?? this.slices.nameOf(config.metadata.uid);
    const record = await this.sandboxes.create({ ...config, cgroupParent }, id, options.signal);
    try {
      if (this.slices.isOwn(record)) await this.slices.create(config.metadata.uid, config.resources);
    } catch (error) {
      await this.sandboxes.remove(id).catch((cause: unknown) => {
        this.logger.error(`Sandbox ${id}, whose slice failed, could not be removed: ${messageOf(cause)}`);
      });
      throw error;
    }
    this.watcher.emit({ ...this.eventBase(record), type: 'sandbox-created' });
    return id;
  }

  async stop(id: string, options: CallOptions): Promise<void> {
    await this.mutex.run(id, () => this.stopLocked(id, options), options.signal);
  }

  private async stopLocked(id: string, options: CallOptions): Promise<void> {
    const record = this.sandboxes.get(id);
    if (record === undefined) return;
    // First: a pod that is to end does not come back.
    if (record.persist && this.isLastOfPod(record)) await this.persistent.removePod(record.metadata.uid);
    // The containers are killed, so that none of them misses the network which goes meanwhile. All is over before this
    // fails: nothing goes on behind the caller's back.
    const parts = [this.stopContainers(record, options), this.sandboxes.stop(id)];
    for (const part of await Promise.allSettled(parts)) if (part.status === 'rejected') throw part.reason;
    if (!record.stopped) this.watcher.emit({ ...this.eventBase(record), type: 'sandbox-stopped' });
  }

  private async stopContainers(record: SandboxRecord, options: CallOptions): Promise<void> {
    const stops = this.store.list({ sandboxId: record.id }).map(async ({ id }) => {
      await this.containers.stop(id, { graceMs: 0, ...options });
      // Its end is told before that of the sandbox.
      await this.watcher.refresh(id);
    });
    for (const stop of await Promise.allSettled(stops)) if (stop.status === 'rejected') throw stop.reason;
    if (this.slices.isOwn(record) && this.isLastOfPod(record)) await this.slices.remove(record.metadata.uid);
  }

  /** Also one whose record cannot be read: its containers tell whose it was. */
  async remove(id: string, options: CallOptions): Promise<void> {
    await this.mutex.run(
      id,
      async () => {
        const record = this.sandboxes.get(id);
        const unreadable = this.sandboxes.unreadable.get(id);
        // Of a newer agent: nothing of it is touched.
        if (PodwrightError.is(unreadable, 'unsupported')) throw unreadable;
        const containers = this.store.list({ sandboxId: id });
        const podUid = record?.metadata.uid ?? containers[0]?.podUid;
        const isLostPod = record === undefined && podUid !== undefined && this.isLast(id, podUid);
        if (isLostPod) await this.persistent.removePod(podUid);
        await this.stopLocked(id, options);
        for (const container of containers) await this.removeContainer(container.id, options);
        await this.sandboxes.remove(id);
        if (podUid === undefined) return;
        if (isLostPod && containers[0]?.slice === this.slices.nameOf(podUid))
          await this.slices.remove(podUid);
        this.watcher.emit({ ...this.eventBase({ id, metadata: { uid: podUid } }), type: 'sandbox-removed' });
      },
      options.signal,
    );
  }

  async status(id: string): Promise<PodSandboxStatus> {
    return await this.toStatus(this.require(id));
  }

  async list(filter: PodSandboxFilter = {}): Promise<readonly PodSandboxStatus[]> {
    const records = this.sandboxes
      .list()
      .filter((record) => record.created && isWanted({ ...record, podUid: record.metadata.uid }, filter));
    const statuses = await Promise.all(records.map((record) => this.toStatus(record)));
    return statuses.filter(({ state }) => filter.state === undefined || state === filter.state);
  }

  async createContainer(sandboxId: string, config: ContainerConfig, options: CallOptions): Promise<string> {
    return await this.mutex.run(
      sandboxId,
      async () => {
        this.cgroupLock.warm();
        const sandbox = await this.requireReady(sandboxId);
        const { name, attempt } = config.metadata;
        const same = this.store
          .list({ sandboxId })
          .find(({ config: { metadata } }) => metadata.name === name && metadata.attempt === attempt);
        if (same) {
          throw new PodwrightError(
            'already-exists',
            `Sandbox ${sandboxId} has a container "${name}" of attempt ${attempt} already: ${same.id}.`,
            { details: { id: same.id } },
          );
        }
        const slice = sandbox.cgroupParent ?? this.slices.nameOf(sandbox.metadata.uid);
        const record = await this.factory.create(sandbox, slice, config, options.signal);
        this.watcher.emit({ ...this.eventBase(sandbox), type: 'container-created', containerId: record.id });
        return record.id;
      },
      options.signal,
    );
  }

  async removeContainer(id: string, options: CallOptions = {}): Promise<void> {
    const record = this.store.get(id);
    if (record === undefined) return;
    await this.containers.stop(id, { graceMs: 0, ...options });
    await this.watcher.refresh(id);
    if (!(await this.containers.remove(id, options))) return;
    await this.watcher.forget(id);
    const { sandboxId, podUid } = record;
    this.watcher.emit({
      type: 'container-removed',
      timestampMs: this.clock.nowMs(),
      sandboxId,
      podUid,
      containerId: id,
    });
  }

  /**
   * Does something with a sandbox while nobody stops it or makes containers in it.
   * @throws as `requireReady`
   */
  async whileReady(
    id: string,
    work: (record: SandboxRecord) => Promise<void>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.mutex.run(id, async () => work(await this.requireReady(id)), options.signal);
  }

  /** @throws PodwrightError kind `not-found`; `failed-precondition` when it is not ready */
  async requireReady(id: string): Promise<SandboxRecord> {
    const record = this.require(id);
    if (await this.sandboxes.verify(id)) return record;
    const { namespace, name } = record.metadata;
    throw new PodwrightError(
      'failed-precondition',
      `Sandbox ${id} of pod ${namespace}/${name} is not ready: it was stopped, or the host was restarted. Run the pod anew.`,
      { details: { id } },
    );
  }

  /** A pod's sandboxes share its slice, and to stop that ends all that runs in it. */
  private isLastOfPod({ id, metadata }: SandboxRecord): boolean {
    return this.isLast(id, metadata.uid);
  }

  private isLast(id: string, podUid: string): boolean {
    return this.sandboxes
      .list()
      .every((other) => other.id === id || other.stopped || other.metadata.uid !== podUid);
  }

  private require(id: string): SandboxRecord {
    const record = this.sandboxes.get(id);
    if (record?.created) return record;
    throw new PodwrightError('not-found', `There is no sandbox ${id}.`, { details: { id } });
  }

  private async toStatus(record: SandboxRecord): Promise<PodSandboxStatus> {
    const { id, metadata, createdAtMs, ips, network, ipc, pid, labels, annotations } = record;
    const { idMappings, runtimeHandler } = record;
    const state = (await this.sandboxes.verify(id)) ? 'ready' : 'not-ready';
    const base = { id, metadata, state, createdAtMs, ips, network, ipc, pid, labels, annotations } as const;
    return {
      ...base,
      ...(idMappings.length === 0 ? {} : { idMappings }),
      ...(runtimeHandler === undefined ? {} : { runtimeHandler }),
    };
  }

  private eventBase({ id, metadata }: { readonly id: string; readonly metadata: { readonly uid: string } }) {
    return { timestampMs: this.clock.nowMs(), sandboxId: id, podUid: metadata.uid };
  }
}
