import type { Duplex } from 'node:stream';
import {
  type AttachOptions,
  type AttachSession,
  type CallOptions,
  type ConfigObject,
  type ContainerRef,
  type ContainerResources,
  type ContainerRuntime,
  type ContainerStatus,
  type EphemeralContainer,
  type ExecOptions,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  type GcOptions,
  type GcPolicy,
  type GcResult,
  type Image,
  type ImageFsInfo,
  ImageService,
  type LogEntry,
  type LogOptions,
  type Pod,
  type PodEvent,
  type PodFilter,
  type PodRef,
  type PodStats,
  type PodStatus,
  type PodSummary,
  PodwrightError,
  type PullEvent,
  type PullOptions,
  type PullPolicy,
  type RunPodOptions,
  type RunPodResult,
  type RuntimeFeatures,
  RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
  type StatsOptions,
  type StopOptions,
  type SyncPodResult,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { defer, type Observable } from 'rxjs';
import { callOptionsOf } from './call-options-of.js';
import { EphemeralContainers } from './ephemeral-containers.js';
import { ImageEnsurer } from './image-ensurer.js';
import { PodChanges } from './pod-changes.js';
import { PodCollector } from './pod-collector.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodFinder } from './pod-finder.js';
import { PodStatsReader } from './pod-stats.js';
import { RuntimeLife } from './runtime-life.js';

/** The implementation of `ContainerRuntime` over any backend. */
@injectable()
export class BackendPodRuntime implements ContainerRuntime {
  constructor(
    @inject(RuntimeLife) private readonly life: RuntimeLife,
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ImageService) private readonly images: ImageService,
    @inject(PodChanges) private readonly changes: PodChanges,
    @inject(PodFinder) private readonly finder: PodFinder,
    @inject(PodCollector) private readonly collector: PodCollector,
    @inject(ImageEnsurer) private readonly ensurer: ImageEnsurer,
    @inject(EphemeralContainers) private readonly ephemeral: EphemeralContainers,
    @inject(PodStatsReader) private readonly statsReader: PodStatsReader,
    @inject(PodEventHub) private readonly hub: PodEventHub,
  ) {}

  get type(): string {
    return this.service.type;
  }

  get features(): RuntimeFeatures {
    return this.service.features;
  }

  get events(): Observable<PodEvent> {
    return this.hub.events;
  }

  start(): Promise<void> {
    return this.life.start();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.life[Symbol.asyncDispose]();
  }

  async version(options: CallOptions = {}): Promise<RuntimeVersion> {
    this.life.checkStarted();
    return this.service.version(options);
  }

  async status(options: CallOptions = {}): Promise<RuntimeStatus> {
    this.life.checkStarted();
    return this.service.status(options);
  }

  async runPod(pod: Pod, options: RunPodOptions = {}): Promise<RunPodResult> {
    this.life.checkMayChange('run a pod');
    return this.changes.runPod(pod, options);
  }

  async killPod(pod: PodRef, options: StopOptions = {}): Promise<void> {
    this.life.checkMayChange('kill a pod');
    await this.changes.killPod(pod, options);
  }

  async removePod(pod: PodRef, options: StopOptions = {}): Promise<void> {
    this.life.checkMayChange('remove a pod');
    await this.changes.removePod(pod, options);
  }

  async syncPod(pod: Pod, options: RunPodOptions = {}): Promise<SyncPodResult> {
    this.life.checkMayChange('sync a pod');
    return this.changes.syncPod(pod, options);
  }

  async updateObjects(
    pod: PodRef,
    objects: readonly ConfigObject[],
    options: CallOptions = {},
  ): Promise<void> {
    this.life.checkMayChange("update a pod's objects");
    await this.changes.updateObjects(pod, objects, options);
  }

  async runEphemeralContainer(
    pod: PodRef,
    container: EphemeralContainer,
    options: CallOptions = {},
  ): Promise<void> {
    this.life.checkMayChange('add a container to a pod');
    await this.ephemeral.run(pod, container, options);
  }

  async updateContainerResources(
    container: ContainerRef,
    resources: ContainerResources,
    options: CallOptions = {},
  ): Promise<void> {
    this.life.checkMayChange("change a container's limits");
    await this.changes.updateContainerResources(container, resources, options);
  }

  async attachContainer(container: ContainerRef, options: AttachOptions = {}): Promise<AttachSession> {
    const { id } = await this.newest(container, options);
    return this.service.attach(id, options);
  }

  async stats(filter: PodFilter = {}, options: StatsOptions = {}): Promise<readonly PodStats[]> {
    this.life.checkStarted();
    return this.statsReader.read(filter, options);
  }

  watchStats(options: PodFilter & { readonly intervalMs?: number } = {}): Observable<readonly PodStats[]> {
    return defer(() => {
      this.life.checkStarted();
      return this.statsReader.watch(options, options.intervalMs);
    });
  }

  async getPods(filter: PodFilter = {}, options: CallOptions = {}): Promise<readonly PodSummary[]> {
    this.life.checkStarted();
    return this.finder.list(filter, options);
  }

  async getPodStatus(pod: PodRef, options: CallOptions = {}): Promise<PodStatus> {
    this.life.checkStarted();
    return this.finder.status(pod, options);
  }

  async *getContainerLogs(container: ContainerRef, options: LogOptions = {}): AsyncIterable<LogEntry> {
    this.life.checkStarted();
    const attempts = await this.finder.containers(container, callOptionsOf(options));
    const newest = attempts.at(-1);
    const before = attempts.at(-2);
    // A backend that restarts has the attempt before in the same container; a caller that restarts made a new one.
    if (options.previous && before && (newest?.attempts.length ?? 0) <= 1) {
      const { previous: _previous, ...rest } = options;
      yield* this.service.containerLogs(before.id, rest);
    } else if (newest) {
      yield* this.service.containerLogs(newest.id, options);
    }
  }

  async runInContainer(
    container: ContainerRef,
    command: readonly string[],
    options: ExecSyncOptions = {},
  ): Promise<ExecSyncResult> {
    const { id } = await this.newest(container, options);
    return this.service.execSync(id, command, options);
  }

  async execInContainer(container: ContainerRef, options: ExecOptions): Promise<ExecSession> {
    const { id } = await this.newest(container, options);
    return this.service.exec(id, options);
  }

  async portForward(pod: PodRef, port: number, options: CallOptions = {}): Promise<Duplex> {
    this.life.checkStarted();
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new PodwrightError('invalid-argument', `${port} is no port: it has to be from 1 to 65535.`, {
        details: { port },
      });
    }
    const { id } = await this.finder.readySandbox(pod, options);
    return this.service.portForward(id, port, options);
  }

  pullImage(reference: string, options: PullOptions = {}): Observable<PullEvent> {
    return defer(() => {
      this.life.checkStarted();
      return this.images.pullImage(reference, options);
    });
  }

  async ensureImage(
    reference: string,
    policy: PullPolicy,
    options: PullOptions & CallOptions = {},
  ): Promise<Image> {
    this.life.checkStarted();
    return (await this.ensurer.ensure(reference, policy, options)).image;
  }

  async isImagePresent(reference: string, options: CallOptions = {}): Promise<boolean> {
    this.life.checkStarted();
    return (await this.images.imageStatus(reference, options)) !== undefined;
  }

  async listImages(options: CallOptions = {}): Promise<readonly Image[]> {
    this.life.checkStarted();
    return this.images.listImages(options);
  }

  async removeImage(reference: string, options: CallOptions = {}): Promise<void> {
    this.life.checkStarted();
    await this.images.removeImage(reference, options);
  }

  async loadImage(
    path: string,
    options: CallOptions & { readonly reference?: string } = {},
  ): Promise<readonly Image[]> {
    this.life.checkStarted();
    return this.images.loadImage(path, options);
  }

  async imageFsInfo(options: CallOptions = {}): Promise<ImageFsInfo> {
    this.life.checkStarted();
    return this.images.imageFsInfo(options);
  }

  async garbageCollect(policy: GcPolicy, options: GcOptions = {}): Promise<GcResult> {
    if (options.dryRun) this.life.checkStarted();
    else this.life.checkMayChange('collect garbage');
    return this.collector.collect(policy, options);
  }

  private async newest(container: ContainerRef, options: CallOptions): Promise<ContainerStatus> {
    this.life.checkStarted();
    return this.finder.newest(container, options);
  }
}
