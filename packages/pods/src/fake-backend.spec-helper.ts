import { PassThrough } from 'node:stream';
import {
  type AttachSession,
  type CallOptions,
  Clock,
  type ContainerAttempt,
  type ContainerConfig,
  ContainerRuntime,
  type ContainerStats,
  type ContainerStatus,
  ImageService,
  type LogEntry,
  Logger,
  type Pod,
  type PodSandboxConfig,
  type PodSandboxStats,
  type PodSandboxStatus,
  PodwrightError,
  parsePod,
  type RuntimeEvent,
  type RuntimeFeatures,
  RuntimeService,
  type StopOptions,
  silentLogger,
  VolumeProvider,
} from '@podwright/core';
import { Container } from 'inversify';
import { Subject } from 'rxjs';
import { FakeStores, lacking } from './fake-stores.spec-helper.js';
import { NodeFacts } from './node-facts.js';
import { podsModule } from './pods-module.js';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
interface FakeContainer extends Mutable<ContainerStatus> {
  readonly config: ContainerConfig;
}

/** The smallest backend with which PodRuntime can be seen at work. It notes every call. */
export class FakeBackend extends FakeStores implements RuntimeService {
  readonly type = 'fake';
  features: RuntimeFeatures = {
    supervisedRestart: true,
    kernel: false,
    execHandler: 'none',
    execGaps: [],
    attach: false,
    stats: false,
    updateResources: false,
    userNamespaces: false,
    persist: false,
    recursiveReadOnly: true,
    logFiles: false,
    runtimeHandlers: [],
  };
  readonly events = new Subject<RuntimeEvent>();
  readonly sandboxes = new Map<string, Mutable<PodSandboxStatus> & { config: PodSandboxConfig }>();
  readonly containers = new Map<string, FakeContainer>();
  /** Exit codes of the attempts of a container's name that end at once; one without runs on. */
  readonly exits = new Map<string, number[]>();
  /** Exit code and signal of a container that is stopped. */
  stopEnd: readonly [exitCode: number, signal?: number] = [143, 15];
  startFailure: PodwrightError | undefined;
  /** What is told late, while it is set: lists are ahead of it. */
  heldEvents: RuntimeEvent[] | undefined;
  private count = 0;

  constructor(private readonly clock: Clock) {
    super();
  }

  async start(): Promise<void> {
    this.calls.push('start ');
    if (this.startFailure) throw this.startFailure;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async version() {
    return { runtimeName: 'fake', runtimeVersion: '1.2.3', components: {} };
  }

  async status() {
    return { conditions: [{ type: 'RuntimeReady', status: true, reason: '', message: '' }] };
  }

  async runPodSandbox(config: PodSandboxConfig, options: CallOptions = {}): Promise<string> {
    await this.note('runPodSandbox', config.metadata.name, options.signal);
    const id = `sandbox-${++this.count}`;
    const { metadata, labels, annotations, network, ipc, pid } = config;
    this.sandboxes.set(id, {
      ...{ id, metadata, labels, annotations, network, ipc, pid, config },
      ...{ state: 'ready', createdAtMs: this.clock.nowMs(), ips: ['10.0.0.2'] },
    });
    this.emit({ type: 'sandbox-created', sandboxId: id, podUid: metadata.uid });
    return id;
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.note('stopPodSandbox', id);
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) return;
    for (const container of this.containersIn(id)) this.end(container, 137, 9);
    sandbox.state = 'not-ready';
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.note('removePodSandbox', id);
    for (const container of this.containersIn(id)) this.containers.delete(container.id);
    this.sandboxes.delete(id);
  }

  async podSandboxStatus(id: string): Promise<PodSandboxStatus> {
    const sandbox = this.sandboxes.get(id);
    if (!sandbox) throw new PodwrightError('not-found', `no sandbox ${id}`);
    return { ...sandbox };
  }

  async listPodSandboxes(filter: { readonly podUid?: string } = {}): Promise<readonly PodSandboxStatus[]> {
    return [...this.sandboxes.values()]
      .filter(({ metadata }) => filter.podUid === undefined || metadata.uid === filter.podUid)
      .map((sandbox) => ({ ...sandbox }))
      .reverse();
  }

  async createContainer(sandboxId: string, config: ContainerConfig, options: CallOptions = {}) {
    await this.note('createContainer', `${config.metadata.name}/${config.metadata.attempt}`, options.signal);
    const sandbox = await this.podSandboxStatus(sandboxId);
    const image = this.images.get(config.image);
    if (!image) throw new PodwrightError('image-not-found', `no image ${config.image}`);
    const id = `container-${++this.count}`;
    const { metadata, labels, annotations, mounts, resources } = config;
    this.containers.set(id, {
      ...{ id, sandboxId, metadata, labels, annotations, mounts, resources, config },
      ...{ podUid: sandbox.metadata.uid, state: 'created', createdAtMs: this.clock.nowMs() },
      ...{ image: config.image, imageId: image.id, attempts: [] },
    });
    this.emit({ type: 'container-created', containerId: id, sandboxId, podUid: sandbox.metadata.uid });
    return id;
  }

  async startContainer(id: string, options: CallOptions = {}): Promise<void> {
    const container = this.container(id);
    await this.note(
      'startContainer',
      `${container.metadata.name}/${container.metadata.attempt}`,
      options.signal,
    );
    this.run(container);
    const exitCode = this.exits.get(container.metadata.name)?.shift();
    if (exitCode !== undefined) this.end(container, exitCode);
  }

  async stopContainer(id: string, options: StopOptions = {}): Promise<void> {
    const container = this.containers.get(id);
    await this.note('stopContainer', `${container?.metadata.name} ${options.graceMs ?? 'own grace'}`);
    if (container) this.end(container, ...this.stopEnd);
  }

  async removeContainer(id: string): Promise<void> {
    await this.note('removeContainer', id);
    this.containers.delete(id);
  }

  async listContainers(filter: { readonly id?: string; readonly podUid?: string } = {}) {
    return [...this.containers.values()]
      .filter(({ podUid }) => filter.podUid === undefined || podUid === filter.podUid)
      .filter(({ id }) => filter.id === undefined || id === filter.id)
      .map((container): ContainerStatus => ({ ...container }))
      .reverse();
  }

  async containerStatus(id: string): Promise<ContainerStatus> {
    return { ...this.container(id) };
  }

  async reopenContainerLog(): Promise<void> {
    throw lacking('log files');
  }

  async *containerLogs(id: string, options: { readonly previous?: boolean } = {}): AsyncIterable<LogEntry> {
    const container = this.container(id);
    const text = `${container.metadata.name}/${container.metadata.attempt}${options.previous ? ' previous' : ''}`;
    yield { timestampUs: 0, stream: 'stdout', line: Buffer.from(text), partial: false, cursor: '1' };
  }

  async execSync(id: string, command: readonly string[]) {
    const stdout = Buffer.from(`${this.container(id).metadata.name}: ${command.join(' ')}`);
    return { stdout, stderr: Buffer.alloc(0), exitCode: 3 };
  }

  async exec(): Promise<never> {
    throw new PodwrightError('unsupported', 'no exec here');
  }

  async portForward(sandboxId: string, port: number) {
    const stream = new PassThrough();
    stream.end(`${sandboxId} ${port}`);
    return stream;
  }

  async attach(): Promise<AttachSession> {
    throw lacking('attach');
  }

  async updateContainerResources(): Promise<void> {
    throw lacking('updateContainerResources');
  }

  async updatePodSandboxResources(): Promise<void> {
    throw lacking('updatePodSandboxResources');
  }

  async listContainerStats(): Promise<readonly ContainerStats[]> {
    throw lacking('listContainerStats');
  }

  async listPodSandboxStats(): Promise<readonly PodSandboxStats[]> {
    throw lacking('listPodSandboxStats');
  }

  async removeOrphans() {
    return { removed: ['orphan'], marked: [], errors: [] };
  }

  /** Ends a container that runs, from outside of PodRuntime. */
  endByName(name: string, exitCode: number, restartInMs?: number): void {
    const container = this.byName(name);
    this.end(container, exitCode, undefined, restartInMs);
  }

  /** What a backend with supervised restart does after a failure. */
  restartByName(name: string): void {
    this.run(this.byName(name));
  }

  byName(name: string): FakeContainer {
    const found = [...this.containers.values()].reverse().find(({ metadata }) => metadata.name === name);
    if (!found) throw new Error(`no container ${name}`);
    return found;
  }

  private run(container: FakeContainer): void {
    const attempt = container.attempts.length;
    container.attempts = [...container.attempts, { attempt, startedAtMs: this.clock.nowMs() }];
    container.state = 'running';
    const { id, sandboxId, podUid } = container;
    this.emit({ type: 'container-started', containerId: id, attempt, sandboxId, podUid });
  }

  private end(container: FakeContainer, exitCode: number, signal?: number, restartInMs?: number): void {
    const last = container.attempts.at(-1);
    if (container.state !== 'running' || !last) return;
    const attempt: ContainerAttempt = {
      ...last,
      ...{ finishedAtMs: this.clock.nowMs(), exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' },
      ...(signal === undefined ? {} : { signal }),
    };
    container.attempts = [...container.attempts.slice(0, -1), attempt];
    container.state = restartInMs === undefined ? 'exited' : 'waiting';
    const { id, sandboxId, podUid } = container;
    const restart = restartInMs === undefined ? {} : { restartInMs };
    this.emit({ type: 'container-exited', containerId: id, attempt, sandboxId, podUid, ...restart });
  }

  private containersIn(sandboxId: string): readonly FakeContainer[] {
    return [...this.containers.values()].filter((container) => container.sandboxId === sandboxId);
  }

  private container(id: string): FakeContainer {
    const container = this.containers.get(id);
    if (!container) throw new PodwrightError('not-found', `no container ${id}`);
    return container;
  }

  private emit(event: DistributiveOmit<RuntimeEvent, 'timestampMs'>): void {
    const timed = { ...event, timestampMs: this.clock.nowMs() };
    if (this.heldEvents) this.heldEvents.push(timed);
    else this.events.next(timed);
  }

  releaseEvents(): void {
    const held = this.heldEvents ?? [];
    this.heldEvents = undefined;
    for (const event of held) this.events.next(event);
  }
}

type DistributiveOmit<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;

/** An agent over this backend; `change` may rebind tokens before it is put together. */
export async function agentOver(
  backend: FakeBackend,
  clock: Clock,
  change: (container: Container) => Promise<void> = async () => undefined,
): Promise<ContainerRuntime> {
  const container = new Container();
  await container.load(podsModule());
  container.bind(Clock).toConstantValue(clock);
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(RuntimeService).toConstantValue(backend);
  container.bind(ImageService).toConstantValue(backend);
  container.bind(VolumeProvider).toConstantValue(backend);
  // The real one looks for routes, and what comes first then is chance.
  (await container.rebind(NodeFacts)).toConstantValue({
    name: () => 'node-1',
    ips: async () => ['192.0.2.1'],
    capacity: async () => ({ cpuMillis: 2000, memoryBytes: 2 ** 32, ephemeralStorageBytes: 2 ** 36 }),
  });
  await change(container);
  return container.get(ContainerRuntime);
}

/** A manifest with one container `web`, changed as the test wants it. */
export function podOf(
  spec: Readonly<Record<string, unknown>> = {},
  metadata: Readonly<Record<string, unknown>> = {},
): Pod {
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'site', uid: 'uid-1', ...metadata },
    spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
  });
}

/** Fails when the signal fires, and never ends otherwise. */
export function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(new PodwrightError('cancelled', 'cancelled')), {
      once: true,
    });
  });
}
