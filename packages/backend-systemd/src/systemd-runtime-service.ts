import { mkdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import {
  type AttachOptions,
  type AttachSession,
  type CallOptions,
  type ContainerConfig,
  type ContainerFilter,
  type ContainerResources,
  type ContainerStats,
  type ContainerStatus,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  type LogEntry,
  type LogOptions,
  type OrphanOptions,
  type OrphanReport,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStats,
  type PodSandboxStatus,
  PodwrightError,
  type PortForwardOptions,
  type RuntimeEvent,
  type RuntimeFeatures,
  type RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
  type StatsOptions,
  type StopOptions,
  throwIfAborted,
  type UpdateSandboxOptions,
} from '@podwright/core';
import { HostExecutor, PortForwarder } from '@podwright/nsenter';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import type { Observable } from 'rxjs';
import { SystemdBackendOptions } from './backend-options.js';
import { CompiledSeccomp } from './compiled-seccomp.js';
import { ContainerAttach } from './container-attach.js';
import { ContainerExec } from './container-exec.js';
import { ContainerLogFiles } from './container-log-files.js';
import { ContainerLogs } from './container-logs.js';
import { ContainerService } from './container-service.js';
import { ContainerStatsReader } from './container-stats.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { ContainerWatcher } from './container-watcher.js';
import { ContainersMount } from './containers-mount.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { HostReadiness } from './host-readiness.js';
import { OrphanCollector } from './orphan-collector.js';
import { PersistentUnits } from './persistent-units.js';
import { checkRuntimeHandler } from './pod-placement.js';
import { PodUnits } from './pod-units.js';
import { isRecursiveReadOnlyPossible } from './recursive-read-only.js';
import { ResourceUpdater } from './resource-updater.js';
import { RootfsMount } from './rootfs-mount.js';
import { StateLoader } from './state-loader.js';
import { UserNamespaces } from './user-namespaces.js';

/** RuntimeService out of systemd units, namespaces and the journal. It only puts the parts together. */
@injectable()
export class SystemdRuntimeService implements RuntimeService {
  readonly type = 'systemd';
  /** What this host can do is known from `start()` on. */
  features: RuntimeFeatures = {
    supervisedRestart: true,
    kernel: true,
    execHandler: 'oci',
    execGaps: [],
    attach: true,
    stats: true,
    updateResources: true,
    userNamespaces: false,
    persist: false,
    recursiveReadOnly: isRecursiveReadOnlyPossible(),
    logFiles: true,
    runtimeHandlers: [],
  };

  private closed = false;
  /** Whether there may be mounts of this process. */
  private hasBegun = false;

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(HostReadiness) private readonly readiness: HostReadiness,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(PortForwarder) private readonly ports: PortForwarder,
    @inject(RootfsMount) private readonly rootfs: RootfsMount,
    @inject(ContainersMount) private readonly containersMount: ContainersMount,
    @inject(StateLoader) private readonly state: StateLoader,
    @inject(PodUnits) private readonly pods: PodUnits,
    @inject(PersistentUnits) private readonly persistent: PersistentUnits,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerService) private readonly containers: ContainerService,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(ContainerWatcher) private readonly watcher: ContainerWatcher,
    @inject(ContainerLogs) private readonly logs: ContainerLogs,
    @inject(ContainerLogFiles) private readonly logFiles: ContainerLogFiles,
    @inject(ContainerExec) private readonly execs: ContainerExec,
    @inject(ContainerAttach) private readonly attaches: ContainerAttach,
    @inject(ResourceUpdater) private readonly resources: ResourceUpdater,
    @inject(ContainerStatsReader) private readonly statsReader: ContainerStatsReader,
    @inject(UserNamespaces) private readonly users: UserNamespaces,
    @inject(OrphanCollector) private readonly orphans: OrphanCollector,
    @inject(CompiledSeccomp) private readonly compiledSeccomp: CompiledSeccomp,
    @inject(SystemdBackendOptions) { supervisedRestart, ociRuntime }: SystemdBackendOptions,
  ) {
    this.features = {
      ...this.features,
      ...execs.features,
      supervisedRestart,
      runtimeHandlers: [ociRuntime],
      persist: persistent.isPossible,
    };
  }

  get events(): Observable<RuntimeEvent> {
    return this.watcher.events;
  }

  async start(): Promise<void> {
    this.enter();
    await this.readiness.check();
    await this.manager.start();
    await this.readiness.checkSystemd();
    this.features = { ...this.features, userNamespaces: await this.users.isPossible() };
    if (this.state.access === 'exclusive') {
      this.hasBegun = true;
      await this.makeDirectories();
      await this.containersMount.ensure();
      await this.persistent.awaitRestores();
    }
    await this.state.load();
    await this.watcher.start();
    this.pods.watchStops();
  }

  private async makeDirectories(): Promise<void> {
    for (const path of [this.layout.stateDir, this.layout.runDir]) {
      await mkdir(this.host.hostPath(path), { recursive: true, mode: 0o700 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.watcher.stop();
    try {
      await this.pods.close();
      await this.ports[Symbol.asyncDispose]();
      if (this.hasBegun) {
        await this.rootfs.release();
        await this.containersMount.release();
      }
      // When nothing of this process is in the way any more.
      await this.persistent.handBack();
    } finally {
      await this.manager[Symbol.asyncDispose]();
    }
  }

  async version(options?: CallOptions): Promise<RuntimeVersion> {
    this.enter(options);
    return await this.readiness.version();
  }

  async status(options?: CallOptions): Promise<RuntimeStatus> {
    this.enter(options);
    return await this.readiness.status(options);
  }

  async runPodSandbox(config: PodSandboxConfig, options: CallOptions = {}): Promise<string> {
    this.enter(options);
    const { metadata, resources = {}, runtimeHandler } = config;
    checkRuntimeHandler(runtimeHandler, this.features.runtimeHandlers);
    await this.resources.checkPod(resources, metadata);
    return await this.pods.run(config, options);
  }

  async stopPodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    this.enter(options);
    await this.pods.stop(id, options);
  }

  async removePodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    this.enter(options);
    const units = this.resources.unitsOf(id);
    await this.pods.remove(id, options);
    await this.resources.forget(units);
  }

  async podSandboxStatus(id: string, options?: CallOptions): Promise<PodSandboxStatus> {
    await this.look(options);
    return await this.pods.status(id);
  }

  async listPodSandboxes(
    filter?: PodSandboxFilter,
    options?: CallOptions,
  ): Promise<readonly PodSandboxStatus[]> {
    await this.look(options);
    return await this.pods.list(filter);
  }

  async createContainer(
    sandboxId: string,
    config: ContainerConfig,
    options: CallOptions = {},
  ): Promise<string> {
    this.enter(options);
    if (config.restart.by === 'backend' && !this.features.supervisedRestart) {
      throw new PodwrightError(
        'unsupported',
        `Container ${config.metadata.name} is to be restarted by the backend, and this one was told not to (supervisedRestart: false): restart it by its caller.`,
      );
    }
    await this.resources.check(config.resources, `container "${config.metadata.name}"`);
    return await this.pods.createContainer(sandboxId, config, options);
  }

  async startContainer(id: string, options?: CallOptions): Promise<void> {
    this.enter(options);
    await this.watcher.lookAfter(id, () => this.containers.start(id, options));
    // When the caller has gone on.
    setImmediate(() => void this.compiledSeccomp.keep(id));
  }

  async stopContainer(id: string, options?: StopOptions): Promise<void> {
    this.enter(options);
    await this.containers.stop(id, options);
    await this.watcher.refresh(id);
  }

  async removeContainer(id: string, options?: CallOptions): Promise<void> {
    this.enter(options);
    await this.pods.removeContainer(id, options);
    await this.resources.forget([containerUnitName(id)]);
  }

  async listContainers(
    filter: ContainerFilter = {},
    options?: CallOptions,
  ): Promise<readonly ContainerStatus[]> {
    await this.look(options);
    const statuses = await this.statuses.ofAll(this.store.list(filter));
    return statuses.filter(({ state }) => filter.state === undefined || state === filter.state);
  }

  async containerStatus(id: string, options?: CallOptions): Promise<ContainerStatus> {
    await this.look(options);
    return await this.statuses.of(this.store.require(id));
  }

  async reopenContainerLog(id: string, options: CallOptions = {}): Promise<void> {
    this.enter(options);
    await this.logFiles.reopen(id, options);
  }

  async *containerLogs(id: string, options: LogOptions = {}): AsyncIterable<LogEntry> {
    await this.look(options);
    yield* this.logs.read(id, options);
  }

  async execSync(
    id: string,
    command: readonly string[],
    options: ExecSyncOptions = {},
  ): Promise<ExecSyncResult> {
    await this.look(options);
    return await this.execs.execSync(id, command, options);
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    await this.look(options);
    return await this.execs.exec(id, options);
  }

  async portForward(sandboxId: string, port: number, options: PortForwardOptions = {}): Promise<Duplex> {
    await this.look(options);
    const { namespaces } = await this.pods.requireReady(sandboxId);
    const { network } = namespaces;
    return await this.ports.connect(
      network === undefined ? { host: true } : { netnsPath: network },
      port,
      options,
    );
  }

  async attach(id: string, options: AttachOptions = {}): Promise<AttachSession> {
    await this.look(options);
    return await this.attaches.attach(id, options);
  }

  async updateContainerResources(
    id: string,
    resources: ContainerResources,
    options?: CallOptions,
  ): Promise<void> {
    this.enter(options);
    await this.resources.updateContainer(id, resources, options);
  }

  async updatePodSandboxResources(
    id: string,
    resources: ContainerResources,
    options?: UpdateSandboxOptions,
  ): Promise<void> {
    this.enter(options);
    await this.pods.whileReady(
      id,
      (record) => this.resources.updatePod(record, resources, options?.lift),
      options,
    );
  }

  async listContainerStats(
    filter?: ContainerFilter,
    options?: StatsOptions,
  ): Promise<readonly ContainerStats[]> {
    await this.look(options);
    return await this.statsReader.ofContainers(filter, options);
  }

  async listPodSandboxStats(
    filter?: PodSandboxFilter,
    options?: StatsOptions,
  ): Promise<readonly PodSandboxStats[]> {
    await this.look(options);
    return await this.statsReader.ofSandboxes(filter, options);
  }

  async removeOrphans(options?: OrphanOptions): Promise<OrphanReport> {
    await this.look(options);
    return await this.orphans.collect(options);
  }

  /** @throws PodwrightError kind `closed`, `cancelled` */
  private enter(options?: CallOptions): void {
    if (this.closed) throw new PodwrightError('closed', 'This runtime was disposed of: make a new one.');
    throwIfAborted(options?.signal);
  }

  /** Before records are looked at. */
  private async look(options?: CallOptions): Promise<void> {
    this.enter(options);
    await this.state.refresh();
  }
}
