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
  decideOrphans,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  type LogEntry,
  type LogOptions,
  ORPHAN_GRACE_MS,
  type Orphan,
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
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { Subject, type Subscription } from 'rxjs';
import { streamOf } from './machine/sandbox-network.js';
import { type MemoryHost, MemoryHostToken, OwnsMemoryHost } from './memory-host.js';
import { readLog } from './pod/container-output.js';
import { startExec } from './pod/exec-session.js';
import { runToEnd } from './pod/exec-sync.js';
import type { SimulatedContainer } from './pod/simulated-container.js';
import type { SimulatedSandbox } from './pod/simulated-sandbox.js';
import { simulatedPodStats } from './pod/simulated-stats.js';
import { checkContainerConfig, checkSandboxConfig } from './pod/unsupported.js';

const VERSION = '0.1.0';

/** Whether the simulated machine restarts containers by itself. */
export const SupervisedRestart: ServiceIdentifier<boolean> = Symbol.for(
  'podwright.backend-memory.SupervisedRestart',
);

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
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
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

  async stopPodSandbox(id: string, options?: CallOptions): Promise<void> {
    this.#check(options);
    await this.host.locks.run(
      id,
      async () => {
        const sandbox = this.host.sandboxes.get(id);
        if (sandbox) await this.#stopSandbox(sandbox);
      },
      options?.signal,
    );
  }

  async removePodSandbox(id: string, options?: CallOptions): Promise<void> {
    this.#check(options);
    await this.host.locks.run(
      id,
      async () => {
        const sandbox = this.host.sandboxes.get(id);
        if (!sandbox) return;
        await this.#stopSandbox(sandbox);
        for (const container of this.#containersOf(id)) await this.removeContainer(container.id);
        this.host.sandboxes.delete(id);
        this.host.emitSandbox(sandbox, 'sandbox-removed');
      },
      options?.signal,
    );
  }

  async podSandboxStatus(id: string, options?: CallOptions): Promise<PodSandboxStatus> {
    this.#check(options);
    return this.#sandbox(id).status();
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

  async createContainer(sandboxId: string, config: ContainerConfig, options?: CallOptions): Promise<string> {
    this.#check(options);
    return this.host.locks.run(
      sandboxId,
      async () => {
        const sandbox = this.#sandbox(sandboxId);
        if (!sandbox.ready) {
          throw new PodwrightError('failed-precondition', `Sandbox ${sandboxId} is stopped; make a new one.`);
        }
        const { name, attempt } = config.metadata;
        const twin = this.#containersOf(sandboxId).find(
          ({ config: { metadata } }) => metadata.name === name && metadata.attempt === attempt,
        );
        if (twin) {
          throw new PodwrightError(
            'already-exists',
            `Sandbox ${sandboxId} has a container ${name} of attempt ${attempt}: ${twin.id}.`,
          );
        }
        checkContainerConfig(config, sandbox.config);
        checkContainerResources(config.resources, `container "${name}"`);
        if (config.pidTarget !== undefined) this.#checkPidTarget(config.pidTarget, sandboxId);
        if (config.restart.by === 'backend' && !this.features.supervisedRestart) {
          throw new PodwrightError(
            'unsupported',
            `Container ${name} is to be restarted by the backend, and this one was told not to (supervisedRestart: false): restart it by its caller.`,
          );
        }
        return this.host.addContainer(sandbox, config).id;
      },
      options?.signal,
    );
  }

  async startContainer(id: string, options?: CallOptions): Promise<void> {
    this.#check(options);
    await this.host.locks.run(
      id,
      async () => {
        const container = this.#container(id);
        if (container.phase !== 'created') {
          throw new PodwrightError(
            'failed-precondition',
            `Container ${container.config.metadata.name} (${id}) was started before; make a new one to run it again.`,
          );
        }
        if (!container.sandbox.ready) {
          throw new PodwrightError(
            'failed-precondition',
            `Sandbox ${container.sandbox.id} of container ${id} is stopped.`,
          );
        }
        container.start();
      },
      options?.signal,
    );
  }

  async stopContainer(id: string, options?: StopOptions): Promise<void> {
    this.#check(options);
    const graceMs = options?.graceMs ?? this.host.containers.get(id)?.config.terminationGraceMs ?? 0;
    await this.host.stops.run(
      id,
      graceMs,
      (work) => this.host.locks.run(id, work, options?.signal),
      async (hurry) => await this.host.containers.get(id)?.stop(graceMs, options?.signal, hurry),
    );
  }

  async removeContainer(id: string, options?: CallOptions): Promise<void> {
    this.#check(options);
    await this.host.stops.run(
      id,
      0,
      (work) => this.host.locks.run(id, work, options?.signal),
      async () => {
        const container = this.host.containers.get(id);
        if (!container) return;
        await container.stop(0);
        container.log.close();
        this.host.containers.delete(id);
        this.host.emitContainer(container, 'container-removed');
      },
    );
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
    return this.#container(id).status();
  }

  async reopenContainerLog(id: string, options?: CallOptions): Promise<void> {
    this.#check(options);
    this.#container(id).reopenLog();
  }

  async *containerLogs(id: string, options: LogOptions = {}): AsyncGenerator<LogEntry> {
    this.#check(options);
    yield* readLog(this.#container(id), options);
  }

  async execSync(
    id: string,
    command: readonly string[],
    options: ExecSyncOptions = {},
  ): Promise<ExecSyncResult> {
    this.#check(options);
    return runToEnd(startExec(this.#container(id), { command }), command, options, this.host.clock);
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    this.#check(options);
    const session = startExec(this.#container(id), options);
    options.signal?.addEventListener('abort', () => void session.kill(), { once: true });
    return session;
  }

  async portForward(sandboxId: string, port: number, options: PortForwardOptions = {}): Promise<Duplex> {
    this.#check(options);
    const sandbox = this.#sandbox(sandboxId);
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
    return this.#container(id).streams.attach(options);
  }

  async updateContainerResources(
    id: string,
    resources: ContainerResources,
    options?: CallOptions,
  ): Promise<void> {
    this.#check(options);
    this.#container(id).updateResources(resources);
  }

  async updatePodSandboxResources(
    id: string,
    resources: ContainerResources,
    options?: CallOptions,
  ): Promise<void> {
    this.#check(options);
    const sandbox = this.#sandbox(id);
    const { name } = sandbox.config.metadata;
    checkContainerResources(resources, `pod ${name}`);
    if (!sandbox.ready) {
      throw new PodwrightError('failed-precondition', `Sandbox ${id} of pod ${name} is stopped.`);
    }
    sandbox.updateResources(resources);
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
    const { dryRun = false, graceMs = ORPHAN_GRACE_MS, isKnownPod } = options;
    const found = [...this.host.orphans(), ...(await this.#volumeOrphans(isKnownPod))];
    const names = found.map(({ what }) => what);
    const { sweep, spare, marks } = decideOrphans(names, this.host.orphanMarks, {
      nowMs: this.host.clock.nowMs(),
      graceMs,
    });
    if (dryRun) return { removed: sweep, marked: spare, errors: [] };
    this.host.orphanMarks = marks;
    for (const { what, remove } of found) if (sweep.includes(what)) await remove();
    return { removed: sweep, marked: spare, errors: [] };
  }

  async #volumeOrphans(isKnownPod: OrphanOptions['isKnownPod']): Promise<readonly Orphan[]> {
    const orphans: Orphan[] = [];
    for (const uid of (isKnownPod && (await this.volumes.pods?.())) ?? []) {
      if (await isKnownPod?.(uid)) continue;
      orphans.push({ what: `volumes of pod ${uid}`, remove: () => this.volumes.tearDown(uid) });
    }
    return orphans;
  }

  async #stopSandbox(sandbox: SimulatedSandbox): Promise<void> {
    if (!sandbox.ready) return;
    await Promise.all(this.#containersOf(sandbox.id).map((container) => container.stop(0)));
    sandbox.stop();
    this.host.emitSandbox(sandbox, 'sandbox-stopped');
  }

  #containersOf(sandboxId: string): readonly SimulatedContainer[] {
    return [...this.host.containers.values()].filter(({ sandbox }) => sandbox.id === sandboxId);
  }

  /** Its processes are not shown: like all that only a kernel has. */
  #checkPidTarget(id: string, sandboxId: string): void {
    const { sandbox, phase, config } = this.#container(id);
    const { name } = config.metadata;
    if (sandbox.id !== sandboxId) {
      throw new PodwrightError('invalid-argument', `Container ${name} (${id}) is in another sandbox.`);
    }
    if (phase !== 'running') {
      throw new PodwrightError(
        'failed-precondition',
        `Container ${name} (${id}) does not run: it is ${phase}.`,
      );
    }
  }

  #check(options: CallOptions | undefined): void {
    if (this.#closed) {
      throw new PodwrightError('closed', 'This runtime was disposed of. Create another one.');
    }
    throwIfAborted(options?.signal);
  }

  #sandbox(id: string): SimulatedSandbox {
    const sandbox = this.host.sandboxes.get(id);
    if (!sandbox) throw new PodwrightError('not-found', `There is no sandbox ${id}.`, { details: { id } });
    return sandbox;
  }

  #container(id: string): SimulatedContainer {
    const container = this.host.containers.get(id);
    if (!container)
      throw new PodwrightError('not-found', `There is no container ${id}.`, { details: { id } });
    return container;
  }
}
