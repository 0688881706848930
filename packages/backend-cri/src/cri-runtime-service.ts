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
  checkContainerResources,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  type LogEntry,
  Logger,
  type LogOptions,
  type OrphanOptions,
  type OrphanReport,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStats,
  type PodSandboxStatus,
  PodwrightError,
  type PortForwardOptions,
  type RuntimeAccess,
  type RuntimeEvent,
  type RuntimeFeatures,
  type RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
  type StatsOptions,
  type StopOptions,
  type UpdateSandboxOptions,
} from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { ContainerLogs } from './container-logs.js';
import { ContainerMaker } from './container-maker.js';
import { ContainerStates } from './container-states.js';
import { CriConnection } from './cri-connection.js';
import { CriContainers } from './cri-containers.js';
import { CriSandboxes } from './cri-sandboxes.js';
import { CriStats } from './cri-stats.js';
import { CriStreams } from './cri-streams.js';
import { OrphanCollector } from './orphan-collector.js';
import { RuntimeFacts } from './runtime-facts.js';
import { StateRecords } from './state-records.js';
import { StateWatcher } from './state-watcher.js';
import { liftedCriResources, toCriResources } from './to-cri-resources.js';

/** Whether this process changes pods, or reads beside the one that does. */
export const StateAccess: ServiceIdentifier<RuntimeAccess> = Symbol.for('podwright.backend-cri.StateAccess');

/** Sandboxes and containers of a runtime behind a CRI socket: containerd, CRI-O, or our own server. */
@injectable()
export class CriRuntimeService implements RuntimeService {
  readonly type = 'cri';
  private starting: Promise<void> | undefined;

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(RuntimeFacts) private readonly facts: RuntimeFacts,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(StateAccess) private readonly access: RuntimeAccess,
    @inject(BackendLayoutToken) private readonly layout: BackendLayout,
    @inject(CriSandboxes) private readonly sandboxes: CriSandboxes,
    @inject(ContainerMaker) private readonly maker: ContainerMaker,
    @inject(ContainerStates) private readonly states: ContainerStates,
    @inject(CriContainers) private readonly containers: CriContainers,
    @inject(ContainerLogs) private readonly logs: ContainerLogs,
    @inject(CriStreams) private readonly streams: CriStreams,
    @inject(CriStats) private readonly stats: CriStats,
    @inject(StateWatcher) private readonly watcher: StateWatcher,
    @inject(OrphanCollector) private readonly orphans: OrphanCollector,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** What depends on the runtime is known after `start()`. */
  get features(): RuntimeFeatures {
    return {
      supervisedRestart: false,
      kernel: true,
      execHandler: 'oci',
      execGaps: [],
      attach: true,
      stats: true,
      updateResources: true,
      userNamespaces: this.facts.userNamespaces,
      persist: false,
      recursiveReadOnly: this.facts.recursiveReadOnly,
      logFiles: true,
      runtimeHandlers: this.facts.handlerNames,
    };
  }

  get events(): Observable<RuntimeEvent> {
    return this.watcher.events;
  }

  async start(): Promise<void> {
    this.connection.throwIfClosed();
    this.starting ??= this.takeUp();
    try {
      await this.starting;
    } catch (error) {
      this.starting = undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.watcher.stop();
    this.connection.close();
  }

  version(options: CallOptions = {}): Promise<RuntimeVersion> {
    return this.facts.version(options);
  }

  status(options: CallOptions = {}): Promise<RuntimeStatus> {
    return this.facts.status(options);
  }

  runPodSandbox(config: PodSandboxConfig, options: CallOptions = {}): Promise<string> {
    return this.sandboxes.run(config, options);
  }

  stopPodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    return this.sandboxes.stop(id, options);
  }

  removePodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    return this.sandboxes.remove(id, options);
  }

  podSandboxStatus(id: string, options: CallOptions = {}): Promise<PodSandboxStatus> {
    return this.sandboxes.status(id, options);
  }

  listPodSandboxes(
    filter: PodSandboxFilter = {},
    options: CallOptions = {},
  ): Promise<readonly PodSandboxStatus[]> {
    return this.sandboxes.list(filter, options);
  }

  createContainer(sandboxId: string, config: ContainerConfig, options: CallOptions = {}): Promise<string> {
    return this.maker.create(sandboxId, config, options);
  }

  startContainer(id: string, options: CallOptions = {}): Promise<void> {
    return this.containers.start(id, options);
  }

  stopContainer(id: string, options: StopOptions = {}): Promise<void> {
    return this.containers.stop(id, options);
  }

  removeContainer(id: string, options: CallOptions = {}): Promise<void> {
    return this.containers.remove(id, options);
  }

  listContainers(
    filter: ContainerFilter = {},
    options: CallOptions = {},
  ): Promise<readonly ContainerStatus[]> {
    return this.containers.list(filter, options);
  }

  containerStatus(id: string, options: CallOptions = {}): Promise<ContainerStatus> {
    return this.states.statusOf(id, options);
  }

  containerLogs(id: string, options: LogOptions = {}): AsyncIterable<LogEntry> {
    return this.logs.read(id, options);
  }

  reopenContainerLog(id: string, options: CallOptions = {}): Promise<void> {
    return this.containers.reopenLog(id, options);
  }

  execSync(id: string, command: readonly string[], options: ExecSyncOptions = {}): Promise<ExecSyncResult> {
    return this.streams.execSync(id, command, options);
  }

  exec(id: string, options: ExecOptions): Promise<ExecSession> {
    return this.streams.exec(id, options);
  }

  portForward(sandboxId: string, port: number, options: PortForwardOptions = {}): Promise<Duplex> {
    return this.streams.portForward(sandboxId, port, options);
  }

  attach(id: string, options: AttachOptions = {}): Promise<AttachSession> {
    return this.streams.attach(id, options);
  }

  updateContainerResources(
    id: string,
    resources: ContainerResources,
    options: CallOptions = {},
  ): Promise<void> {
    return this.containers.update(id, resources, options);
  }

  /**
   * Told to the runtime. The CRI leaves a pod's limits to its client, who may give a `cgroupParent` with them; runtimes
   * before CRI 1.32 take none.
   */
  async updatePodSandboxResources(
    id: string,
    resources: ContainerResources,
    { lift = [], ...options }: UpdateSandboxOptions = {},
  ): Promise<void> {
    const { state, metadata } = await this.sandboxes.status(id, options);
    checkContainerResources(resources, `pod "${metadata.name}"`);
    if (state !== 'ready') {
      throw new PodwrightError('failed-precondition', `The sandbox of pod "${metadata.name}" is not ready.`);
    }
    try {
      await this.connection.call(
        `The limits of pod "${metadata.name}" were not changed`,
        ({ runtime }, call) =>
          runtime.updatePodSandboxResources(
            { podSandboxId: id, resources: { ...liftedCriResources(lift), ...toCriResources(resources) } },
            call,
          ),
        options,
      );
    } catch (error) {
      // It never had the pod's limits either: those of its containers are what holds.
      if (!PodwrightError.is(error, 'unsupported')) throw error;
      this.logger.info('the runtime takes no limits of whole pods; those of their containers hold', { id });
    }
  }

  listContainerStats(
    filter: ContainerFilter = {},
    options: StatsOptions = {},
  ): Promise<readonly ContainerStats[]> {
    return this.stats.ofContainers(filter, options);
  }

  listPodSandboxStats(
    filter: PodSandboxFilter = {},
    options: StatsOptions = {},
  ): Promise<readonly PodSandboxStats[]> {
    return this.stats.ofSandboxes(filter, options);
  }

  removeOrphans(options: OrphanOptions = {}): Promise<OrphanReport> {
    return this.orphans.collect(options);
  }

  private async takeUp(): Promise<void> {
    await this.connection.waitForReady();
    await this.facts.load();
    if (this.access === 'exclusive') {
      await mkdir(this.layout.sandboxesDir, { recursive: true, mode: 0o711 });
      await mkdir(this.layout.containersDir, { recursive: true, mode: 0o711 });
    }
    await this.records.refresh();
    if (this.access === 'exclusive') {
      await this.maker.settle();
      await this.sandboxes.settle();
    }
    await this.watcher.start();
  }
}
