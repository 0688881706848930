import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import {
  type CallOptions,
  Clock,
  type ContainerConfig,
  type ContainerFilter,
  type ContainerStatus,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  KeyedMutex,
  type LogEntry,
  type LogOptions,
  type OrphanReport,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStatus,
  PodwrightError,
  type RuntimeEvent,
  type RuntimeFeatures,
  type RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
  type StopOptions,
} from '@podwright/core';
import { HostExecutor, PortForwarder } from '@podwright/nsenter';
import { SandboxManager, type SandboxRecord } from '@podwright/sandbox';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import type { Observable } from 'rxjs';
import { ContainerExec } from './container-exec.js';
import { ContainerFactory } from './container-factory.js';
import { ContainerLogs } from './container-logs.js';
import { ContainerService } from './container-service.js';
import { ContainerStore } from './container-store.js';
import { ContainerWatcher } from './container-watcher.js';
import { HostLayout } from './host-layout.js';
import { HostReadiness } from './host-readiness.js';
import { OrphanCollector } from './orphan-collector.js';
import { PodSlices } from './pod-slices.js';
import { RootfsMount } from './rootfs-mount.js';
import { StateLoader } from './state-loader.js';

/** RuntimeService out of systemd units, namespaces and the journal. It only puts the parts together. */
@injectable()
export class SystemdRuntimeService implements RuntimeService {
  readonly type = 'systemd';
  readonly features: RuntimeFeatures = {
    supervisedRestart: true,
    kernel: true,
    execHandler: 'oci',
    execGaps: [],
  };

  /** Calls for one sandbox one after the other. */
  private readonly mutex = new KeyedMutex();

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(RootfsMount) private readonly rootfs: RootfsMount,
    @inject(HostReadiness) private readonly readiness: HostReadiness,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(PortForwarder) private readonly ports: PortForwarder,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerFactory) private readonly factory: ContainerFactory,
    @inject(ContainerService) private readonly containers: ContainerService,
    @inject(ContainerWatcher) private readonly watcher: ContainerWatcher,
    @inject(ContainerLogs) private readonly logs: ContainerLogs,
    @inject(ContainerExec) private readonly execs: ContainerExec,
    @inject(OrphanCollector) private readonly orphans: OrphanCollector,
    @inject(StateLoader) private readonly state: StateLoader,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  get events(): Observable<RuntimeEvent> {
    return this.watcher.events;
  }

  async start(): Promise<void> {
    await this.readiness.check();
    await this.manager.start();
    await this.readiness.checkSystemd();
    if (this.state.access === 'exclusive') await this.makeDirectories();
    await this.state.load();
    await this.watcher.start();
  }

  private async makeDirectories(): Promise<void> {
    for (const path of [this.layout.stateDir, this.layout.runDir]) {
      await mkdir(this.host.hostPath(path), { recursive: true, mode: 0o700 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.watcher.stop();
    await this.manager[Symbol.asyncDispose]();
  }

  async version(options?: CallOptions): Promise<RuntimeVersion> {
    return await this.readiness.version(options);
  }

  async status(options?: CallOptions): Promise<RuntimeStatus> {
    return await this.readiness.status(options);
  }

  async runPodSandbox(config: PodSandboxConfig, options: CallOptions = {}): Promise<string> {
    const id = randomBytes(32).toString('hex');
    const cgroupParent = this.slices.nameOf(config.metadata.uid);
    const record = await this.sandboxes.create({ ...config, cgroupParent }, id, options.signal);
    try {
      await this.slices.create(config.metadata.uid, config.resources);
    } catch (error) {
      await this.sandboxes.remove(id);
      throw error;
    }
    this.watcher.emit({ ...this.eventBase(record), type: 'sandbox-created' });
    return id;
  }

  async stopPodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    await this.mutex.run(id, () => this.stopLocked(id, options), options.signal);
  }

  private async stopLocked(id: string, options: CallOptions): Promise<void> {
    const record = this.sandboxes.get(id);
    if (record === undefined) return;
    await Promise.all(
      this.store
        .list({ sandboxId: id })
        .map((container) => this.containers.stop(container.id, { graceMs: 0, ...options })),
    );
    await this.slices.remove(record.metadata.uid);
    await this.sandboxes.stop(id);
    if (!record.stopped) this.watcher.emit({ ...this.eventBase(record), type: 'sandbox-stopped' });
  }

  async removePodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    await this.mutex.run(
      id,
      async () => {
        const record = this.sandboxes.get(id);
        if (record === undefined) return;
        await this.stopLocked(id, options);
        for (const container of this.store.list({ sandboxId: id })) {
          await this.removeContainer(container.id, options);
        }
        await this.sandboxes.remove(id);
        this.watcher.emit({ ...this.eventBase(record), type: 'sandbox-removed' });
      },
      options.signal,
    );
  }

  async podSandboxStatus(id: string): Promise<PodSandboxStatus> {
    await this.state.refresh();
    return await this.toSandboxStatus(this.requireSandbox(id));
  }

  async listPodSandboxes(filter: PodSandboxFilter = {}): Promise<readonly PodSandboxStatus[]> {
    await this.state.refresh();
    const labels = Object.entries(filter.labels ?? {});
    const records = this.sandboxes
      .list()
      .filter(
        (record) =>
          record.created &&
          (filter.id === undefined || record.id === filter.id) &&
          (filter.podUid === undefined || record.metadata.uid === filter.podUid) &&
          labels.every(([key, value]) => record.labels[key] === value),
      );
    const statuses = await Promise.all(records.map((record) => this.toSandboxStatus(record)));
    return statuses.filter(({ state }) => filter.state === undefined || state === filter.state);
  }

  async createContainer(
    sandboxId: string,
    config: ContainerConfig,
    options: CallOptions = {},
  ): Promise<string> {
    return await this.mutex.run(
      sandboxId,
      async () => {
        const sandbox = this.requireSandbox(sandboxId);
        const { name, attempt } = config.metadata;
        if (!(await this.sandboxes.verify(sandboxId))) {
          throw new PodwrightError(
            'failed-precondition',
            `Sandbox ${sandboxId} is not ready: it was stopped, or the host was restarted. Make a new one.`,
            { details: { id: sandboxId } },
          );
        }
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

  async startContainer(id: string, options?: CallOptions): Promise<void> {
    await this.containers.start(id, options);
    await this.watcher.refresh(id);
  }

  async stopContainer(id: string, options?: StopOptions): Promise<void> {
    await this.containers.stop(id, options);
    await this.watcher.refresh(id);
  }

  async removeContainer(id: string, options?: CallOptions): Promise<void> {
    const record = this.store.get(id);
    if (record === undefined) return;
    await this.containers.stop(id, { graceMs: 0, ...options });
    await this.watcher.refresh(id);
    await this.containers.remove(id, options);
    await this.rootfs.release();
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

  async listContainers(filter: ContainerFilter = {}): Promise<readonly ContainerStatus[]> {
    await this.state.refresh();
    const statuses = await this.containers.statuses(this.store.list(filter));
    return statuses.filter(({ state }) => filter.state === undefined || state === filter.state);
  }

  async containerStatus(id: string): Promise<ContainerStatus> {
    await this.state.refresh();
    return await this.containers.status(this.store.require(id));
  }

  async *containerLogs(id: string, options: LogOptions = {}): AsyncIterable<LogEntry> {
    await this.state.refresh();
    yield* this.logs.read(id, options);
  }

  async execSync(
    id: string,
    command: readonly string[],
    options: ExecSyncOptions = {},
  ): Promise<ExecSyncResult> {
    await this.state.refresh();
    return await this.execs.execSync(id, command, options);
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    await this.state.refresh();
    return await this.execs.exec(id, options);
  }

  async portForward(sandboxId: string, port: number, options: CallOptions = {}): Promise<Duplex> {
    await this.state.refresh();
    const { namespaces, metadata } = this.requireSandbox(sandboxId);
    if (!(await this.sandboxes.verify(sandboxId))) {
      throw new PodwrightError(
        'failed-precondition',
        `Pod ${metadata.namespace}/${metadata.name} does not run: no port of it can be reached.`,
        { details: { id: sandboxId } },
      );
    }
    const { network } = namespaces;
    return await this.ports.connect(
      network === undefined ? { host: true } : { netnsPath: network },
      port,
      options,
    );
  }

  async removeOrphans(options?: CallOptions): Promise<OrphanReport> {
    return await this.orphans.collect(options);
  }

  private requireSandbox(id: string): SandboxRecord {
    const record = this.sandboxes.get(id);
    if (record?.created) return record;
    throw new PodwrightError('not-found', `There is no sandbox ${id}.`, { details: { id } });
  }

  private async toSandboxStatus(record: SandboxRecord): Promise<PodSandboxStatus> {
    const { id, metadata, createdAtMs, ips, network, labels, annotations } = record;
    const state = (await this.sandboxes.verify(id)) ? 'ready' : 'not-ready';
    return { id, metadata, state, createdAtMs, ips, network, labels, annotations };
  }

  private eventBase({ id, metadata }: SandboxRecord) {
    return { timestampMs: this.clock.nowMs(), sandboxId: id, podUid: metadata.uid };
  }
}
