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
  PodStore,
  type PodSummary,
  PodwrightError,
  ProbeResults,
  type PullEvent,
  type PullOptions,
  type PullPolicy,
  parsePod,
  type RunPodOptions,
  type RunPodResult,
  type RuntimeAccess,
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
import { ContainerResizer } from './container-resizer.js';
import { EphemeralContainers } from './ephemeral-containers.js';
import { ImageEnsurer } from './image-ensurer.js';
import { PodAccess } from './pod-access.js';
import { PodAdmission } from './pod-admission.js';
import { PodCollector } from './pod-collector.js';
import { PodDeadlines } from './pod-deadlines.js';
import { PodEnder } from './pod-ender.js';
import { PodEventHub } from './pod-event-hub.js';
import { describe, PodFinder } from './pod-finder.js';
import { PodLocks } from './pod-locks.js';
import { PodStarter } from './pod-starter.js';
import { PodStatsReader } from './pod-stats.js';
import { PodSupervisor } from './pod-supervisor.js';
import { PodVolumes, withObjects } from './pod-volumes.js';
import { StorageMonitor } from './storage-monitor.js';

/** The implementation of `ContainerRuntime` over any backend. */
@injectable()
export class BackendPodRuntime implements ContainerRuntime {
  private state: 'new' | 'started' | 'closed' = 'new';
  private starting: Promise<void> | undefined;

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ImageService) private readonly images: ImageService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodLocks) private readonly locks: PodLocks,
    @inject(PodAdmission) private readonly admission: PodAdmission,
    @inject(PodStarter) private readonly starter: PodStarter,
    @inject(PodEnder) private readonly ender: PodEnder,
    @inject(PodFinder) private readonly finder: PodFinder,
    @inject(PodCollector) private readonly collector: PodCollector,
    @inject(PodVolumes) private readonly volumes: PodVolumes,
    @inject(ImageEnsurer) private readonly ensurer: ImageEnsurer,
    @inject(EphemeralContainers) private readonly ephemeral: EphemeralContainers,
    @inject(PodSupervisor) private readonly supervisor: PodSupervisor,
    @inject(ProbeResults) private readonly probes: ProbeResults,
    @inject(PodDeadlines) private readonly deadlines: PodDeadlines,
    @inject(PodStatsReader) private readonly statsReader: PodStatsReader,
    @inject(ContainerResizer) private readonly resizer: ContainerResizer,
    @inject(StorageMonitor) private readonly storage: StorageMonitor,
    @inject(PodEventHub) private readonly hub: PodEventHub,
    @inject(PodAccess) private readonly access: RuntimeAccess,
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

  async start(): Promise<void> {
    this.checkNotClosed();
    this.starting ??= this.open();
    try {
      await this.starting;
    } catch (error) {
      // What was missing may be there the next time.
      this.starting = undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.state === 'closed') return;
    this.state = 'closed';
    await this.locks.breakOffAll(
      new PodwrightError('closed', 'The runtime was closed while the pod was being started.'),
    );
    await this.supervisor.stop();
    await this.storage.stop();
    await this.probes.stop?.();
    // A backend may be both in one.
    const parts = new Set<Partial<AsyncDisposable>>([this.images, this.service]);
    const ends = await Promise.allSettled([...parts].map(async (part) => part[Symbol.asyncDispose]?.()));
    this.hub.stop();
    await this.store.close();
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async version(options: CallOptions = {}): Promise<RuntimeVersion> {
    this.checkStarted();
    return this.service.version(options);
  }

  async status(options: CallOptions = {}): Promise<RuntimeStatus> {
    this.checkStarted();
    return this.service.status(options);
  }

  async runPod(pod: Pod, options: RunPodOptions = {}): Promise<RunPodResult> {
    this.checkMayChange('run a pod');
    this.admission.checkMayPersist(options);
    // Also for callers without types: a uid becomes a file name.
    const manifest = parsePod(pod);
    return this.locks.start(manifest.metadata, options.signal, async (signal) => {
      await this.admission.checkIsNew(manifest, { signal });
      const record = this.admission.newRecord(manifest, options);
      const result = await this.deadlines.within(record, signal, (limit) =>
        this.starter.start(record, limit),
      );
      this.storage.watch({ manifest });
      // What ended while the others were still being started is looked after from here on.
      this.supervisor.requestSync(result.uid, 'the pod was started');
      return result;
    });
  }

  async killPod(pod: PodRef, options: StopOptions = {}): Promise<void> {
    this.checkMayChange('kill a pod');
    await this.end(pod, options, (uid) => this.ender.kill(uid, options));
  }

  async removePod(pod: PodRef, options: StopOptions = {}): Promise<void> {
    this.checkMayChange('remove a pod');
    await this.end(pod, options, (uid) => this.ender.remove(uid, options));
  }

  async syncPod(pod: Pod, options: RunPodOptions = {}): Promise<SyncPodResult> {
    this.checkMayChange('sync a pod');
    this.admission.checkMayPersist(options);
    const manifest = parsePod(pod);
    const { uid, namespace, name } = manifest.metadata;
    return this.locks.work(uid, options.signal, async (signal) => {
      await this.admission.checkNameIsFree(manifest);
      const before = await this.store.get(uid);
      if (before) await this.admission.checkPersistStays(before, options, { signal });
      const record = this.admission.syncedRecord(manifest, options, before);
      // An immutable object stays as it is, here too.
      if (before && options.objects) withObjects(before, options.objects);
      await this.store.put(record);
      if (before && options.objects) await this.volumes.refresh(record, { signal });
      await this.probes.refresh?.(uid);
      this.storage.watch({ manifest });
      const outcome = await this.supervisor.syncDeclared(uid, signal);
      return { uid, namespace, name, ips: outcome?.ips ?? [], actions: outcome?.actions ?? [] };
    });
  }

  async updateObjects(
    pod: PodRef,
    objects: readonly ConfigObject[],
    options: CallOptions = {},
  ): Promise<void> {
    this.checkMayChange("update a pod's objects");
    const uid = await this.finder.find(pod, callOptionsOf(options));
    const update = async (known: string) => {
      const record = await this.store.get(known);
      if (record) await this.volumes.update(record, objects, callOptionsOf(options));
      return record !== undefined;
    };
    if (uid !== undefined && (await this.locks.run(uid, () => update(uid), options.signal))) return;
    throw new PodwrightError(
      'not-found',
      `There is no pod ${describe(pod)} whose objects could be updated.`,
      {
        details: { ...pod },
      },
    );
  }

  async runEphemeralContainer(
    pod: PodRef,
    container: EphemeralContainer,
    options: CallOptions = {},
  ): Promise<void> {
    this.checkMayChange('add a container to a pod');
    await this.ephemeral.run(pod, container, options);
  }

  async updateContainerResources(
    container: ContainerRef,
    resources: ContainerResources,
    options: CallOptions = {},
  ): Promise<void> {
    this.checkMayChange("change a container's limits");
    const { podUid } = await this.newest(container, options);
    await this.locks.run(
      podUid,
      async () => {
        const newest = await this.newest(container, options);
        const record = await this.store.get(podUid);
        if (record) await this.resizer.change(record, newest, resources, callOptionsOf(options));
        else await this.service.updateContainerResources(newest.id, resources, callOptionsOf(options));
      },
      options.signal,
    );
  }

  async attachContainer(container: ContainerRef, options: AttachOptions = {}): Promise<AttachSession> {
    const { id } = await this.newest(container, options);
    return this.service.attach(id, options);
  }

  async stats(filter: PodFilter = {}, options: StatsOptions = {}): Promise<readonly PodStats[]> {
    this.checkStarted();
    return this.statsReader.read(filter, options);
  }

  watchStats(options: PodFilter & { readonly intervalMs?: number } = {}): Observable<readonly PodStats[]> {
    return defer(() => {
      this.checkStarted();
      return this.statsReader.watch(options, options.intervalMs);
    });
  }

  async getPods(filter: PodFilter = {}, options: CallOptions = {}): Promise<readonly PodSummary[]> {
    this.checkStarted();
    return this.finder.list(filter, options);
  }

  async getPodStatus(pod: PodRef, options: CallOptions = {}): Promise<PodStatus> {
    this.checkStarted();
    return this.finder.status(pod, options);
  }

  async *getContainerLogs(container: ContainerRef, options: LogOptions = {}): AsyncIterable<LogEntry> {
    this.checkStarted();
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
    this.checkStarted();
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
      this.checkStarted();
      return this.images.pullImage(reference, options);
    });
  }

  async ensureImage(
    reference: string,
    policy: PullPolicy,
    options: PullOptions & CallOptions = {},
  ): Promise<Image> {
    this.checkStarted();
    return (await this.ensurer.ensure(reference, policy, options)).image;
  }

  async isImagePresent(reference: string, options: CallOptions = {}): Promise<boolean> {
    this.checkStarted();
    return (await this.images.imageStatus(reference, options)) !== undefined;
  }

  async listImages(options: CallOptions = {}): Promise<readonly Image[]> {
    this.checkStarted();
    return this.images.listImages(options);
  }

  async removeImage(reference: string, options: CallOptions = {}): Promise<void> {
    this.checkStarted();
    await this.images.removeImage(reference, options);
  }

  async loadImage(
    path: string,
    options: CallOptions & { readonly reference?: string } = {},
  ): Promise<readonly Image[]> {
    this.checkStarted();
    return this.images.loadImage(path, options);
  }

  async imageFsInfo(options: CallOptions = {}): Promise<ImageFsInfo> {
    this.checkStarted();
    return this.images.imageFsInfo(options);
  }

  async garbageCollect(policy: GcPolicy, options: GcOptions = {}): Promise<GcResult> {
    this.checkMayChange('collect garbage');
    return this.collector.collect(policy, options);
  }

  private async open(): Promise<void> {
    await this.store.open();
    try {
      this.hub.start();
      await this.service.start();
      this.hub.hearsAll();
    } catch (error) {
      await this.store.close();
      throw error;
    }
    // Beside another process: what looks half-made may be what that one is making.
    if (this.access === 'exclusive') {
      await this.collector.removeAllAbandoned();
      await this.probes.start?.();
      await this.supervisor.start();
      await this.storage.start();
    }
    this.state = 'started';
  }

  private async end(
    pod: PodRef,
    options: StopOptions,
    action: (uid: string) => Promise<void>,
  ): Promise<void> {
    const uid = await this.finder.find(pod, callOptionsOf(options));
    if (uid === undefined) return;
    this.locks.breakOff(
      uid,
      new PodwrightError('cancelled', 'The pod was killed while it was being started.', { details: { uid } }),
    );
    await this.locks.run(uid, () => action(uid), options.signal);
  }

  private async newest(container: ContainerRef, options: CallOptions): Promise<ContainerStatus> {
    this.checkStarted();
    const attempts = await this.finder.containers(container, callOptionsOf(options));
    const newest = attempts.at(-1);
    if (!newest) throw new PodwrightError('internal', 'A container was found and has no attempt.');
    return newest;
  }

  private checkMayChange(what: string): void {
    this.checkStarted();
    if (this.access === 'exclusive') return;
    throw new PodwrightError(
      'failed-precondition',
      `This runtime cannot ${what}: it was created with access "observe", which reads beside the process that changes pods. Create one with access "exclusive".`,
    );
  }

  private checkStarted(): void {
    this.checkNotClosed();
    if (this.state === 'new') {
      throw new PodwrightError('failed-precondition', 'The runtime was not started: call start() first.');
    }
  }

  private checkNotClosed(): void {
    if (this.state === 'closed') throw new PodwrightError('closed', 'The runtime was closed.');
  }
}

/** Only the signal: further options of a call are not those of the calls it is made of. */
function callOptionsOf({ signal }: CallOptions): CallOptions {
  return signal ? { signal } : {};
}
