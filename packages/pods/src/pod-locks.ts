import { Clock, HurriedStops, KeyedMutex, type PodRef, PodwrightError } from '@podwright/core';
import { inject, injectable } from 'inversify';
import type { PodIdentity } from './pod-event-hub.js';

interface Starting {
  readonly identity: PodIdentity;
  readonly controller: AbortController;
  readonly ended: Promise<unknown>;
}

/** Which pods are worked on: one call at a time for each, and a start can be broken off. */
@injectable()
export class PodLocks {
  private readonly mutex = new KeyedMutex();
  private readonly starting = new Map<string, Starting>();
  /** Syncs, which a kill breaks off too, and which take no name. */
  private readonly works = new Map<string, Set<AbortController>>();
  private readonly stops: HurriedStops;

  constructor(@inject(Clock) clock: Clock) {
    this.stops = new HurriedStops(clock);
  }

  /** Runs `action` when earlier calls for this pod have ended. */
  run<T>(uid: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.mutex.run(uid, action, signal);
  }

  /**
   * Runs a pod's start; its uid and its name are taken until it has ended.
   * @throws PodwrightError kind `already-exists` while another start has this uid or this name
   */
  async start<T>(
    identity: PodIdentity,
    signal: AbortSignal | undefined,
    action: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { uid, namespace, name } = identity;
    if (this.isStarting(uid) || this.findStarting({ namespace, name }) !== undefined) {
      throw new PodwrightError(
        'already-exists',
        `A pod ${namespace}/${name} is being started already: wait for it, or kill it first.`,
        { details: { uid, namespace, name } },
      );
    }
    const controller = new AbortController();
    const either = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
    const running = this.mutex.run(uid, () => action(either), either);
    this.starting.set(uid, { identity, controller, ended: running });
    try {
      return await running;
    } finally {
      this.starting.delete(uid);
    }
  }

  /** Runs a sync of a pod when earlier calls for it have ended; what it did until it is broken off stays. */
  async work<T>(
    uid: string,
    signal: AbortSignal | undefined,
    action: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    const either = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
    const works = this.works.get(uid) ?? new Set();
    this.works.set(uid, works.add(controller));
    try {
      return await this.mutex.run(uid, () => action(either), either);
    } finally {
      works.delete(controller);
      if (works.size === 0) this.works.delete(uid);
    }
  }

  isStarting(uid: string): boolean {
    return this.starting.has(uid);
  }

  findStarting(ref: PodRef): string | undefined {
    if ('uid' in ref) return this.isStarting(ref.uid) ? ref.uid : undefined;
    const { name, namespace = 'default' } = ref;
    return [...this.starting.values()].find(
      ({ identity }) => identity.name === name && identity.namespace === namespace,
    )?.identity.uid;
  }

  /**
   * Breaks off a pod's start, which undoes what it made, and its syncs, and ends it after them and after earlier calls.
   * @param graceMs of this call, in milliseconds: when it is over, the ends under way are hurried
   * @param action ends the pod; its signal is that of `HurriedStops.run`
   */
  end(
    uid: string,
    graceMs: number,
    action: (hurry: AbortSignal) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const reason = new PodwrightError('cancelled', 'The pod was killed while it was being started.', {
      details: { uid },
    });
    this.starting.get(uid)?.controller.abort(reason);
    for (const controller of this.works.get(uid) ?? []) controller.abort(reason);
    return this.stops.run(uid, graceMs, (work) => this.mutex.run(uid, work, signal), action);
  }

  /** Breaks all starts off, and resolves when all have been undone. */
  async breakOffAll(reason: PodwrightError): Promise<void> {
    const all = [...this.starting.values()];
    for (const { controller } of all) controller.abort(reason);
    for (const controller of [...this.works.values()].flatMap((works) => [...works]))
      controller.abort(reason);
    await Promise.allSettled(all.map(({ ended }) => ended));
  }
}
