import {
  Clock,
  crashLoopDelayMs,
  Logger,
  messageOf,
  PodStore,
  PodwrightError,
  ProbeResults,
  type RestartBackoff,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import type { Subscription } from 'rxjs';
import { ImageCollector } from './image-collector.js';
import { PodLocks } from './pod-locks.js';
import { PodSyncer, type SyncOutcome } from './pod-syncer.js';
import { CallerBackoff } from './restart-backoff.js';

/** What of a pod the supervisor keeps in mind; all of it can be lost. */
interface Watched {
  /** A sync waits for its turn. */
  queued: boolean;
  /** Its owner syncs it, so that a lost sandbox is made anew. */
  declared: boolean;
  /** Syncs in a row in which something failed. */
  failures: number;
  readonly timers: Map<string, AbortController>;
}

/**
 * Keeps pods as they are wanted while the agent lives: syncs a pod when one of its containers has ended for good, when a
 * back-off is over, and when somebody asks for it. Pods of an earlier agent are looked at once, at the start. It waits for
 * events and timers and polls nothing.
 */
@injectable()
export class PodSupervisor {
  private readonly watched = new Map<string, Watched>();
  private readonly running = new Set<Promise<void>>();
  private readonly closing = new AbortController();
  private subscription: Subscription | undefined;

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodLocks) private readonly locks: PodLocks,
    @inject(PodSyncer) private readonly syncer: PodSyncer,
    @inject(ProbeResults) private readonly probes: ProbeResults,
    @inject(ImageCollector) private readonly images: ImageCollector,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Begins to watch, and takes up the pods that an earlier agent left. */
  async start(): Promise<void> {
    this.subscription?.unsubscribe();
    this.subscription = this.service.events.subscribe((event) => {
      if (event.type === 'container-exited' && event.restartInMs === undefined) {
        this.requestSync(event.podUid, 'a container has ended');
      }
      if (event.type === 'sandbox-stopped' || event.type === 'sandbox-removed') {
        this.requestSync(event.podUid, 'its sandbox has ended');
      }
    });
    const changes = this.probes.changes?.subscribe(({ podUid, probe, result }) => {
      // Readiness changes nothing about what is to be done.
      if (probe !== 'readiness') this.requestSync(podUid, `a ${probe} probe says ${result}`);
    });
    this.subscription.add(changes);
    this.keep(this.noteImages());
    for (const { uid, state, reason } of await this.store.list()) {
      // What was to be ended as a whole may not have been.
      const isOpen = state === 'starting' || state === 'running' || reason !== undefined;
      if (isOpen) this.requestSync(uid, 'the agent has started');
    }
  }

  /** Lets go of all pods; what they wait for is taken up by the next agent. */
  async stop(): Promise<void> {
    this.subscription?.unsubscribe();
    this.closing.abort(new PodwrightError('closed', 'The runtime was closed.'));
    for (const uid of [...this.watched.keys()]) this.forget(uid);
    await Promise.allSettled(this.running);
  }

  /**
   * Has a pod synced soon: after a sync of it that is under way, and once for several requests before that.
   * @param reason why, for the log, e.g. `its liveness probe failed`
   */
  requestSync(uid: string, reason: string): void {
    const watched = this.watch(uid);
    if (watched.queued || this.closing.signal.aborted) return;
    watched.queued = true;
    this.keep(this.syncInBackground(uid, watched, reason));
  }

  /**
   * Has a pod synced at a time; a new time for the same purpose replaces the one before.
   * @param purpose names the timer within its pod, e.g. `deadline`
   */
  requestSyncAt(uid: string, purpose: string, atMs: number): void {
    if (this.closing.signal.aborted) return;
    const { timers } = this.watch(uid);
    timers.get(purpose)?.abort();
    const timer = new AbortController();
    timers.set(purpose, timer);
    this.clock.sleep(Math.max(0, atMs - this.clock.nowMs()), timer.signal).then(
      () => {
        timers.delete(purpose);
        this.requestSync(uid, purpose);
      },
      () => undefined,
    );
  }

  /**
   * Syncs a pod for its owner. The caller holds the pod's lock.
   * @throws PodwrightError as `PodSyncer.sync`
   */
  async syncDeclared(uid: string, signal: AbortSignal): Promise<SyncOutcome | undefined> {
    const watched = this.watch(uid);
    watched.declared = true;
    const outcome = await this.syncer.sync(uid, { keepUpOnly: false, signal });
    this.follow(uid, watched, outcome);
    return outcome;
  }

  /** Nothing more is done for a pod until somebody asks again. */
  forget(uid: string): void {
    for (const timer of this.watched.get(uid)?.timers.values() ?? []) timer.abort();
    this.watched.delete(uid);
  }

  private watch(uid: string): Watched {
    const known = this.watched.get(uid);
    if (known) return known;
    const watched = { queued: false, declared: false, failures: 0, timers: new Map() };
    this.watched.set(uid, watched);
    return watched;
  }

  private keep(run: Promise<void>): void {
    this.running.add(run);
    void run.finally(() => this.running.delete(run));
  }

  /** Which images are in use now, as those that were used last go last; containers made and removed later tell it too. */
  private async noteImages(): Promise<void> {
    const { signal } = this.closing;
    try {
      await this.images.detect({ signal });
    } catch (error) {
      if (!signal.aborted)
        this.logger.warn('which images are in use could not be told', { error: messageOf(error) });
    }
  }

  private async syncInBackground(uid: string, watched: Watched, reason: string): Promise<void> {
    try {
      const outcome = await this.locks.work(uid, this.closing.signal, (signal) => {
        watched.queued = false;
        return this.syncer.sync(uid, { keepUpOnly: !watched.declared, signal });
      });
      this.follow(uid, watched, outcome);
    } catch (error) {
      watched.queued = false;
      if (this.closing.signal.aborted || PodwrightError.is(error, 'cancelled')) return;
      this.logger.error(`A pod could not be synced: ${messageOf(error)}`, { uid, reason });
      this.retry(uid, watched);
    }
  }

  /** Sees to what a sync has left for later. */
  private follow(uid: string, watched: Watched, outcome: SyncOutcome | undefined): void {
    if (!outcome) {
      this.forget(uid);
      return;
    }
    for (const { container, untilMs } of outcome.waits) {
      this.requestSyncAt(uid, `back-off of ${container}`, untilMs);
    }
    if (outcome.deadlineMs !== undefined) this.requestSyncAt(uid, 'its deadline', outcome.deadlineMs);
    if (outcome.actions.some(({ error }) => error !== undefined)) this.retry(uid, watched);
    else watched.failures = 0;
  }

  private retry(uid: string, watched: Watched): void {
    watched.failures++;
    // There is no restart at once here: what failed a moment ago fails again.
    const delayMs = crashLoopDelayMs(watched.failures + 1, this.backoff);
    this.requestSyncAt(uid, 'a retry of what failed', this.clock.nowMs() + delayMs);
  }
}
