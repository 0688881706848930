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
import { inject, injectable } from 'inversify';
import { Subject, type Subscription } from 'rxjs';
import { streamOf } from './machine/sandbox-network.js';
import { MemoryContainers, SupervisedRestart } from './memory-containers.js';
import { type MemoryHost, MemoryHostToken, OwnsMemoryHost } from './memory-host.js';
import { containerOn, sandboxOn } from './memory-lookup.js';
import { MemoryOrphans } from './memory-orphans.js';
import { MemorySandboxes } from './memory-sandboxes.js';
import { readLog } from './pod/container-output.js';
import { startExec } from './pod/exec-session.js';
import { runToEnd } from './pod/exec-sync.js';
import { simulatedPodStats } from './pod/simulated-stats.js';
import { checkSandboxConfig } from './pod/unsupported.js';

const VERSION = '0.1.0';

/** Sandboxes and containers of a simulated machine. */
@injectable()
export class MemoryRuntimeService implements RuntimeService {
  readonly type = 'memory';
  readonly features: RuntimeFeatures = {
    supervisedRestart: true,
    kernel: false,
    execHandler: 'simulated',
    execGaps: [],
    attach: true,
    stats: true,
    updateResources: true,
    userNamespaces: false,
    persist: false,
    recursiveReadOnly: true,
    logFiles: true,
    runtimeHandlers: ['memory'],
  };
  readonly events = new Subject<RuntimeEvent>();
  #subscription: Subscription | undefined;
  #closed = false;

  constructor(
    @inject(MemoryHostToken) private readonly host: MemoryHost,
    @inject(OwnsMemoryHost) private readonly ownsHost: boolean,
    @inject(MemorySandboxes) private readonly sandboxes: MemorySandboxes,
    @inject(MemoryContainers) private readonly containers: MemoryContainers,
    @inject(MemoryOrphans) private readonly orphans: MemoryOrphans,
    @inject(SupervisedRestart) supervisedRestart: boolean,
  ) {
    this.features = { ...this.features, supervisedRestart };
  }

  async start(): Promise<void> {
    this.#check(undefined);
    this.#subscription ??= this.host.events.subscribe((event) => this.events.next(event));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscription?.unsubscribe();
    this.events.complete();
    // Nobody else can reach such a machine; what runs on would only keep this process alive.
    if (this.ownsHost) this.host.powerOff();
  }

  async version(options?: CallOptions): Promise<RuntimeVersion> {
    this.#check(options);
    return { runtimeName: this.type, runtimeVersion: VERSION, components: {} };
  }

  async status(options?: CallOptions): Promise<RuntimeStatus> {
    this.#check(options);
    const fine = { status: true, reason: '', message: '' };
    return {
      conditions: [
        { type: 'RuntimeReady', ...fine },
        { type: 'NetworkReady', ...fine },
      ],
    };
  }

  async runPodSandbox(config: PodSandboxConfig, options?: CallOptions): Promise<string> {
    this.#check(options);
    checkSandboxConfig(config, this.features.runtimeHandlers);
    return this.host.addSandbox(config).id;
  }

  async stopPodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    this.#check(options);
    await this.sandboxes.stop(id, options);
  }

  async removePodSandbox(id: string, options: CallOptions = {}): Promise<void> {
    this.#check(options);
    await this.sandboxes.remove(id, options);
  }

  async podSandboxStatus(id: string, options?: CallOptions): Promise<PodSandboxStatus> {
    this.#check(options);
    return sandboxOn(this.host, id).status();
  }

  async listPodSandboxes(
    filter: PodSandboxFilter = {},
    options?: CallOptions,
  ): Promise<readonly PodSandboxStatus[]> {
    this.#check(options);
    return [...this.host.sandboxes.values()]
      .filter((sandbox) => sandbox.matches(filter))
      .sort((a, b) => b.sequence - a.sequence)
      .map((sandbox) => sandbox.status());
  }

  async createContainer(
    sandboxId: string,
    config: ContainerConfig,
    options: CallOptions = {},
  ): Promise<string> {
    this.#check(options);
    return this.containers.create(sandboxId, config, options);
  }

  async startContainer(id: string, options: CallOptions = {}): Promise<void> {
    this.#check(options);
    await this.containers.start(id, options);
  }

  async stopContainer(id: string, options: StopOptions = {}): Promise<void> {
    this.#check(options);
    await this.containers.stop(id, options);
  }

  async removeContainer(id: string, options: CallOptions = {}): Promise<void> {
    this.#check(options);
    await this.containers.remove(id, options);
  }

  async listContainers(
    filter: ContainerFilter = {},
    options?: CallOptions,
  ): Promise<readonly ContainerStatus[]> {
    this.#check(options);
    return [...this.host.containers.values()]
      .filter((container) => container.matches(filter))
      .sort((a, b) => b.sequence - a.sequence)
      .map((container) => container.status());
  }

  async containerStatus(id: string, options?: CallOptions): Promise<ContainerStatus> {
    this.#check(options);
    return containerOn(this.host, id).status();
  }

  async reopenContainerLog(id: string, options?: CallOptions): Promise<void> {
    this.#check(options);
    containerOn(this.host, id).reopenLog();
  }

  async *containerLogs(id: string, options: LogOptions = {}): AsyncGenerator<LogEntry> {
    this.#check(options);
    yield* readLog(containerOn(this.host, id), options);
  }

  async execSync(
    id: string,
    command: readonly string[],
    options: ExecSyncOptions = {},
  ): Promise<ExecSyncResult> {
    this.#check(options);
    return runToEnd(startExec(containerOn(this.host, id), { command }), command, options, this.host.clock);
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    this.#check(options);
    const session = startExec(containerOn(this.host, id), options);
    options.signal?.addEventListener('abort', () => void session.kill(), { once: true });
    return session;
  }

  async portForward(sandboxId: string, port: number, options: PortForwardOptions = {}): Promise<Duplex> {
    this.#check(options);
    const sandbox = sandboxOn(this.host, sandboxId);
    if (!sandbox.ready) {
      throw new PodwrightError('failed-precondition', `Sandbox ${sandboxId} is stopped and has no network.`);
    }
    const connection = sandbox.network.connect(options.host ?? '127.0.0.1', port);
    if (!connection) {
      throw new PodwrightError(
        'unreachable',
        `Nobody listens on port ${port}${options.host === undefined ? '' : ` of ${options.host}`} in pod ${sandbox.config.metadata.name}.`,
      );
    }
    return streamOf(connection);
  }

  async attach(id: string, options: AttachOptions = {}): Promise<AttachSession> {
    this.#check(options);
    return containerOn(this.host, id).streams.attach(options);
  }

  async updateContainerResources(
    id: string,
    resources: ContainerResources,
    options?: CallOptions,
  ): Promise<void> {
    this.#check(options);
    containerOn(this.host, id).updateResources(resources);
  }

  async updatePodSandboxResources(
    id: string,
    resources: ContainerResources,
    options?: UpdateSandboxOptions,
  ): Promise<void> {
    this.#check(options);
    const sandbox = sandboxOn(this.host, id);
    const { name } = sandbox.config.metadata;
    checkContainerResources(resources, `pod ${name}`);
    if (!sandbox.ready) {
      throw new PodwrightError('failed-precondition', `Sandbox ${id} of pod ${name} is stopped.`);
    }
    sandbox.updateResources(resources, options?.lift);
  }

  async listContainerStats(
    filter: ContainerFilter = {},
    options: StatsOptions = {},
  ): Promise<readonly ContainerStats[]> {
    this.#check(options);
    return [...this.host.containers.values()]
      .filter((container) => container.matches(filter))
      .sort((a, b) => b.sequence - a.sequence)
      .flatMap((container) => container.stats(options.detail ?? false) ?? []);
  }

  async listPodSandboxStats(
    filter: PodSandboxFilter = {},
    options: StatsOptions = {},
  ): Promise<readonly PodSandboxStats[]> {
    const containers = await this.listContainerStats({}, options);
    return [...this.host.sandboxes.values()]
      .filter((sandbox) => sandbox.ready && sandbox.matches(filter))
      .sort((a, b) => b.sequence - a.sequence)
      .map((sandbox) =>
        simulatedPodStats(
          sandbox,
          containers.filter(({ sandboxId }) => sandboxId === sandbox.id),
          this.host.clock.nowMs(),
          options.detail ?? false,
        ),
      );
  }

  async removeOrphans(options: OrphanOptions = {}): Promise<OrphanReport> {
    this.#check(options);
    return this.orphans.remove(options);
  }

  #check(options: CallOptions | undefined): void {
    if (this.#closed) {
      throw new PodwrightError('closed', 'This runtime was disposed of. Create another one.');
    }
    throwIfAborted(options?.signal);
  }
}
