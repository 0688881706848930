import {
  Clock,
  Logger,
  messageOf,
  type PodRecord,
  PodStore,
  PodwrightError,
  RuntimeService,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { PodEnder } from './pod-ender.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodLocks } from './pod-locks.js';
import { evictionMessage, hasStorageLimits } from './storage-limits.js';

/** Time between two looks at what pods have on disk, in milliseconds. */
export const StorageCheckIntervalMs: ServiceIdentifier<number> = Symbol.for(
  'podwright.pods.StorageCheckIntervalMs',
);

/** What the containers of an evicted pod have left to end, as in the kubelet. */
const EVICTION_GRACE_MS = 1000;

/**
 * Evicts pods that have more on disk than their manifests allow: ends them for good, with the reason `Evicted`. It looks
 * at pods with such limits only, one round after the other, and not at all while there are none. Nothing does it while no
 * agent lives; an emptyDir in memory is limited by the kernel.
 */
@injectable()
export class StorageMonitor {
  private readonly closing = new AbortController();
  private rounds: Promise<void> | undefined;
  /** A pod came after the round that is under way had listed them. */
  private hasNew = false;

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodLocks) private readonly locks: PodLocks,
    @inject(PodEnder) private readonly ender: PodEnder,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(StorageCheckIntervalMs) private readonly intervalMs: number,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Takes up the pods that an earlier agent left. */
  async start(): Promise<void> {
    for (const record of await this.store.list()) this.watch(record);
  }

  async stop(): Promise<void> {
    this.closing.abort(new PodwrightError('closed', 'The runtime was closed.'));
    await this.rounds;
  }

  /** From here on a pod is looked at, if its manifest has such limits. */
  watch(record: Pick<PodRecord, 'manifest'>): void {
    if (this.closing.signal.aborted || !hasStorageLimits(record.manifest)) return;
    this.hasNew = true;
    this.rounds ??= this.run().finally(() => {
      this.rounds = undefined;
    });
  }

  private async run(): Promise<void> {
    while (!this.closing.signal.aborted) {
      try {
        await this.clock.sleep(this.intervalMs, this.closing.signal);
      } catch {
        return;
      }
      this.hasNew = false;
      const limited = (await this.store.list()).filter(
        ({ state, manifest }) => state !== 'killed' && hasStorageLimits(manifest),
      );
      await Promise.all(limited.map((record) => this.check(record)));
      if (limited.length === 0 && !this.hasNew) return;
    }
  }

  private async check({ uid, namespace, name, manifest }: PodRecord): Promise<void> {
    const { signal } = this.closing;
    try {
      const [volumes, containers] = await Promise.all([
        this.volumes.usage(uid, { signal }),
        this.service.features.stats ? this.service.listContainerStats({ podUid: uid }, { signal }) : [],
      ]);
      const message = evictionMessage(manifest, { volumes, containers });
      if (message === undefined) return;
      await this.locks.work(uid, signal, (limit) => this.evict(uid, message, limit));
    } catch (error) {
      if (signal.aborted || PodwrightError.is(error, 'cancelled')) return;
      this.logger.error(
        `What the pod ${namespace}/${name} has on disk was not checked: ${messageOf(error)}`,
        {
          uid,
        },
      );
    }
  }

  private async evict(uid: string, message: string, signal: AbortSignal): Promise<void> {
    const record = await this.store.get(uid);
    if (!record || record.state === 'killed') return;
    // Written before anything is stopped: the next agent ends what this one does not.
    await this.store.put({ ...record, state: 'killed', reason: 'Evicted', message });
    this.events.record(record, 'Evicted', message, { warning: true });
    await this.ender.stopAll(uid, record, message, { graceMs: EVICTION_GRACE_MS, signal });
  }
}
