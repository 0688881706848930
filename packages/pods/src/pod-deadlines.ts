import { Clock, type PodRecord, PodStore, PodwrightError } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodEventHub } from './pod-event-hub.js';

/** Ends pods whose `activeDeadlineSeconds` are over, counted from the pod's start over all agents. */
@injectable()
export class PodDeadlines {
  constructor(
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** When a pod is to be ended, in milliseconds since the epoch; undefined: never. */
  of({ manifest, createdAtMs }: PodRecord): number | undefined {
    const { activeDeadlineSeconds } = manifest.spec;
    return activeDeadlineSeconds === undefined ? undefined : createdAtMs + activeDeadlineSeconds * 1000;
  }

  isOver(record: PodRecord): boolean {
    const atMs = this.of(record);
    return atMs !== undefined && this.clock.nowMs() >= atMs;
  }

  /** Writes down that a pod has failed by its deadline; from here on nothing of it is to run. */
  async fail(record: PodRecord): Promise<void> {
    const reason = 'DeadlineExceeded';
    const message = 'Pod was active on the node longer than the specified deadline';
    await this.store.put({ ...record, state: 'killed', reason, message });
    this.events.record(record, reason, `${message} (${record.manifest.spec.activeDeadlineSeconds} s).`, {
      warning: true,
    });
  }

  /**
   * Does something for a pod; the signal fires at the pod's deadline too.
   * @throws PodwrightError kind `timeout` when that broke it off
   */
  async within<T>(
    record: PodRecord,
    signal: AbortSignal,
    action: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const atMs = this.of(record);
    if (atMs === undefined) return await action(signal);
    const { namespace, name, uid } = record;
    const over = new AbortController();
    const done = new AbortController();
    const timer = this.clock.sleep(Math.max(0, atMs - this.clock.nowMs()), done.signal).then(
      () => {
        const message = `The activeDeadlineSeconds of the pod ${namespace}/${name} are over.`;
        over.abort(new PodwrightError('timeout', message, { details: { uid } }));
      },
      () => undefined,
    );
    try {
      return await action(AbortSignal.any([signal, over.signal]));
    } catch (error) {
      // What was broken off names its caller, who is the deadline.
      const isByDeadline = over.signal.aborted && !signal.aborted && PodwrightError.is(error, 'cancelled');
      throw isByDeadline ? over.signal.reason : error;
    } finally {
      done.abort();
      await timer;
    }
  }
}
