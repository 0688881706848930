import { PodwrightError, SystemClock } from '@podwright/core';
import { inject, injectable } from 'inversify';
import type { Subscription } from 'rxjs';
import { SystemdBus } from '../bus/systemd-bus.js';
import { type JobResult, jobResultOf } from './job-result.js';
import { MANAGER_SIGNALS, managerCall } from './manager-call.js';

/** How a job ended, or `lost`: the connection broke meanwhile, and systemd does not know the job any more. */
export type JobEnd = JobResult | 'lost';

interface Waiter {
  readonly end: (end: JobEnd) => void;
  readonly fail: (error: PodwrightError) => void;
}

/**
 * Waits for systemd's jobs by listening for JobRemoved. The signal can come before the reply that names the job: while
 * a job is being asked for, the results of all are kept.
 */
@injectable()
export class JobTracker {
  /** systemd gives the same job to all who ask for the same thing at once: each of them waits for its end. */
  private readonly waiters = new Map<string, Set<Waiter>>();
  private readonly early = new Map<string, JobResult>();
  private asking = 0;
  private subscription: Subscription | undefined;

  constructor(@inject(SystemdBus) private readonly bus: SystemdBus) {}

  /** Begins to listen; before the first `run`. */
  start(): void {
    this.subscription ??= this.bus.signals(MANAGER_SIGNALS).subscribe({
      next: (signal) => {
        if (signal.member !== 'JobRemoved') return;
        const [, job, , result] = signal.body;
        if (typeof job === 'string' && typeof result === 'string') this.ended(job, jobResultOf(result));
      },
      error: (error: unknown) => this.failAll(asPodwrightError(error)),
      complete: () =>
        this.failAll(new PodwrightError('closed', 'The D-Bus connection was closed by its owner.')),
    });
  }

  stop(): void {
    this.subscription?.unsubscribe();
    this.subscription = undefined;
  }

  /**
   * Asks for a job and resolves with its end.
   * @param ask starts the job and resolves with its object path
   * @param options `timeoutMs`: milliseconds, then the job is cancelled; `signal`: cancels it
   * @throws PodwrightError kind `timeout`, `cancelled`, `unavailable` (the connection broke and did not come back in
   *   time), or what `ask` throws
   */
  async run(
    ask: () => Promise<string>,
    options: { readonly what: string; readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<{ job: string; end: JobEnd }> {
    if (options.signal?.aborted) throw cancelled(options.what, options.signal);
    this.asking += 1;
    let job: string;
    let early: JobResult | undefined;
    try {
      job = await ask();
      early = this.early.get(job);
    } finally {
      this.asking -= 1;
      if (this.asking === 0) this.early.clear();
    }
    return { job, end: early ?? (await this.wait(job, options)) };
  }

  /** Jobs that are awaited now. */
  awaited(): string[] {
    return [...this.waiters.keys()];
  }

  /** Ends the wait for a job that systemd does not know any more, after a broken connection. */
  lose(job: string): void {
    for (const waiter of this.waitersOf(job)) waiter.end('lost');
  }

  failAll(error: PodwrightError): void {
    for (const job of this.awaited()) {
      for (const waiter of this.waitersOf(job)) waiter.fail(error);
    }
  }

  private waitersOf(job: string): Waiter[] {
    return [...(this.waiters.get(job) ?? [])];
  }

  private ended(job: string, result: JobResult): void {
    for (const waiter of this.waitersOf(job)) waiter.end(result);
    // Also when somebody waited for it: whoever asks for it at this moment is given the same job.
    if (this.asking > 0) this.early.set(job, result);
  }

  private wait(
    job: string,
    options: { readonly what: string; readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<JobEnd> {
    const { what, timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      const giveUp = (error: PodwrightError) => {
        settle();
        // Somebody else still wants the job.
        if (this.waiters.has(job)) reject(error);
        // Rejected after CancelJob was answered, so that the caller can stop the unit right away.
        else this.cancel(job).then(() => reject(error), reject);
      };
      const settled = new AbortController();
      if (timeoutMs !== undefined) {
        const message = `${what} took longer than ${timeoutMs} ms and was cancelled.`;
        new SystemClock().sleep(timeoutMs, settled.signal).then(
          () => giveUp(new PodwrightError('timeout', message, { details: { timeoutMs, job } })),
          () => undefined,
        );
      }
      const onAbort = () => giveUp(cancelled(what, signal, job));
      const settle = () => {
        settled.abort();
        signal?.removeEventListener('abort', onAbort);
        const others = this.waiters.get(job);
        others?.delete(waiter);
        if (others?.size === 0) this.waiters.delete(job);
      };
      const waiter: Waiter = {
        end: (end) => {
          settle();
          resolve(end);
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      this.waiters.set(job, (this.waiters.get(job) ?? new Set()).add(waiter));
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  private async cancel(job: string): Promise<void> {
    const id = Number(job.slice(job.lastIndexOf('/') + 1));
    try {
      await this.bus.call(managerCall('CancelJob', 'u', [id]));
    } catch (error) {
      // A job that is over leaves nothing to cancel, and without a bus nobody can; all else is news to the caller.
      if (!PodwrightError.is(error, 'not-found') && !PodwrightError.is(error, 'unavailable')) throw error;
    }
  }
}

function cancelled(what: string, signal: AbortSignal | undefined, job?: string): PodwrightError {
  return new PodwrightError('cancelled', `${what} was cancelled by its caller.`, {
    cause: signal?.reason,
    details: job === undefined ? {} : { job },
  });
}

function asPodwrightError(error: unknown): PodwrightError {
  return PodwrightError.is(error)
    ? error
    : new PodwrightError('internal', `Listening for jobs failed: ${String(error)}`, { cause: error });
}
