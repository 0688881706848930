import {
  ImageService,
  PodStore,
  PodwrightError,
  ProbeResults,
  type RuntimeAccess,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodAccess } from './pod-access.js';
import { PodCollector } from './pod-collector.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodLocks } from './pod-locks.js';
import { PodSupervisor } from './pod-supervisor.js';
import { StorageMonitor } from './storage-monitor.js';

/** Starts and ends all that PodRuntime is made of, in order, and says whether it can be used. */
@injectable()
export class RuntimeLife {
  private state: 'new' | 'started' | 'closed' = 'new';
  private starting: Promise<void> | undefined;

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ImageService) private readonly images: ImageService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodLocks) private readonly locks: PodLocks,
    @inject(PodCollector) private readonly collector: PodCollector,
    @inject(PodSupervisor) private readonly supervisor: PodSupervisor,
    @inject(ProbeResults) private readonly probes: ProbeResults,
    @inject(StorageMonitor) private readonly storage: StorageMonitor,
    @inject(PodEventHub) private readonly hub: PodEventHub,
    @inject(PodAccess) private readonly access: RuntimeAccess,
  ) {}

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

  /**
   * @param what that is to be done, for the message
   * @throws PodwrightError kind `failed-precondition` before the start, and where it may only read; `closed`
   */
  checkMayChange(what: string): void {
    this.checkStarted();
    if (this.access === 'exclusive') return;
    throw new PodwrightError(
      'failed-precondition',
      `This runtime cannot ${what}: it was created with access "observe", which reads beside the process that changes pods. Create one with access "exclusive".`,
    );
  }

  /** @throws PodwrightError kind `failed-precondition`, `closed` */
  checkStarted(): void {
    this.checkNotClosed();
    if (this.state === 'new') {
      throw new PodwrightError('failed-precondition', 'The runtime was not started: call start() first.');
    }
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

  private checkNotClosed(): void {
    if (this.state === 'closed') throw new PodwrightError('closed', 'The runtime was closed.');
  }
}
