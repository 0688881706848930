import { Logger, messageOf, ORPHAN_GRACE_MS, RuntimeService } from '@podwright/core';
import { inject, injectable } from 'inversify';

/** Seldom, as hardly anything is ever found: only what a server left that was killed in the middle of a call. */
const INTERVAL_MS = 10 * 60_000;

/** Takes away what the calls of a server left half-made that died meanwhile: nobody else does it under a kubelet. */
@injectable()
export class OrphanSweeper {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();

  constructor(
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Looks now, again when the grace of what it sees is over, and from then on now and then. */
  start(): void {
    this.sweep(ORPHAN_GRACE_MS + 1000);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    await this.sweeping;
  }

  /** @param nextMs after the end of this one, however long it takes */
  private sweep(nextMs: number): void {
    this.sweeping = this.sweepOnce().then(() => {
      if (this.stopping.signal.aborted) return;
      this.timer = setTimeout(() => this.sweep(INTERVAL_MS), nextMs);
      this.timer.unref();
    });
  }

  private async sweepOnce(): Promise<void> {
    try {
      const { removed, errors } = await this.runtime.removeOrphans({ signal: this.stopping.signal });
      for (const what of removed) this.logger.warn(`Removed what nobody owned: ${what}`);
      for (const error of errors) this.logger.warn(`What nobody owns was not removed: ${error.message}`);
    } catch (error) {
      if (!this.stopping.signal.aborted)
        this.logger.warn(`Looking for leftovers failed: ${messageOf(error)}`);
    }
  }
}
