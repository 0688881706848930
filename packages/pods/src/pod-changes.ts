import {
  type CallOptions,
  type ConfigObject,
  type ContainerRef,
  type ContainerResources,
  type Pod,
  type PodRef,
  PodStore,
  PodwrightError,
  ProbeResults,
  parsePod,
  type RunPodOptions,
  type RunPodResult,
  RuntimeService,
  type StopOptions,
  type SyncPodResult,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { callOptionsOf } from './call-options-of.js';
import { ContainerResizer } from './container-resizer.js';
import { graceOf } from './grace.js';
import { PodAdmission } from './pod-admission.js';
import { PodDeadlines } from './pod-deadlines.js';
import { PodEnder } from './pod-ender.js';
import { describe, PodFinder } from './pod-finder.js';
import { PodLocks } from './pod-locks.js';
import { PodStarter } from './pod-starter.js';
import { PodSupervisor } from './pod-supervisor.js';
import { PodVolumes, withObjects } from './pod-volumes.js';
import { StorageMonitor } from './storage-monitor.js';

/** What PodRuntime changes of pods, each under the lock of its pod. The methods are those of `ContainerRuntime`. */
@injectable()
export class PodChanges {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodLocks) private readonly locks: PodLocks,
    @inject(PodAdmission) private readonly admission: PodAdmission,
    @inject(PodStarter) private readonly starter: PodStarter,
    @inject(PodEnder) private readonly ender: PodEnder,
    @inject(PodFinder) private readonly finder: PodFinder,
    @inject(PodVolumes) private readonly volumes: PodVolumes,
    @inject(PodSupervisor) private readonly supervisor: PodSupervisor,
    @inject(ProbeResults) private readonly probes: ProbeResults,
    @inject(PodDeadlines) private readonly deadlines: PodDeadlines,
    @inject(ContainerResizer) private readonly resizer: ContainerResizer,
    @inject(StorageMonitor) private readonly storage: StorageMonitor,
  ) {}

  async runPod(pod: Pod, options: RunPodOptions): Promise<RunPodResult> {
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

  async killPod(pod: PodRef, options: StopOptions): Promise<void> {
    await this.end(pod, options, (uid, hurry) => this.ender.kill(uid, { ...options, hurry }));
  }

  async removePod(pod: PodRef, options: StopOptions): Promise<void> {
    await this.end(pod, options, (uid, hurry) => this.ender.remove(uid, { ...options, hurry }));
  }

  async syncPod(pod: Pod, options: RunPodOptions): Promise<SyncPodResult> {
    this.admission.checkMayPersist(options);
    const manifest = parsePod(pod);
    const { uid, namespace, name } = manifest.metadata;
    return this.locks.work(uid, options.signal, async (signal) => {
      await this.admission.checkNameIsFree(manifest);
      const before = await this.store.get(uid);
      if (before) await this.admission.checkPersistStays(before, options, { signal });
      const record = this.admission.syncedRecord(manifest, options, before);
      // An immutable object stays as it is, here too.
      if (before && options.objects) {
        withObjects(before, options.objects);
        await this.volumes.files(record);
      }
      await this.store.put(record);
      // Also without objects: labels, annotations and limits are content of volumes.
      if (before) await this.volumes.refresh(record, { signal });
      await this.probes.refresh?.(uid);
      this.storage.watch({ manifest });
      const outcome = await this.supervisor.syncDeclared(uid, signal);
      return { uid, namespace, name, ips: outcome?.ips ?? [], actions: outcome?.actions ?? [] };
    });
  }

  async updateObjects(pod: PodRef, objects: readonly ConfigObject[], options: CallOptions): Promise<void> {
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

  async updateContainerResources(
    container: ContainerRef,
    resources: ContainerResources,
    options: CallOptions,
  ): Promise<void> {
    const { podUid } = await this.finder.newest(container, options);
    await this.locks.run(
      podUid,
      async () => {
        const newest = await this.finder.newest(container, options);
        const record = await this.store.get(podUid);
        if (record) {
          await this.resizer.change(record, newest, resources, callOptionsOf(options));
          const changed = await this.store.get(podUid);
          if (changed) await this.volumes.refresh(changed, callOptionsOf(options));
        } else await this.service.updateContainerResources(newest.id, resources, callOptionsOf(options));
      },
      options.signal,
    );
  }

  private async end(
    pod: PodRef,
    options: StopOptions,
    action: (uid: string, hurry: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const uid = await this.finder.find(pod, callOptionsOf(options));
    if (uid === undefined) return;
    const { wholeMs } = graceOf(options.graceMs, await this.store.get(uid));
    await this.locks.end(uid, wholeMs, (hurry) => action(uid, hurry), options.signal);
  }
}
