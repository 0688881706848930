import {
  Clock,
  type PodFilter,
  type PodStats,
  PodwrightError,
  RuntimeService,
  type StatsOptions,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { Observable } from 'rxjs';

const DEFAULT_INTERVAL_MS = 10_000;

/** What pods use: the backend's numbers, and what their volumes hold. */
@injectable()
export class PodStatsReader {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** Newest first. @throws PodwrightError kind `unsupported` */
  async read({ namespace, labels }: PodFilter, options: StatsOptions): Promise<readonly PodStats[]> {
    const sandboxes = await this.service.listPodSandboxStats(labels ? { labels } : {}, options);
    return await Promise.all(
      sandboxes
        .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
        .map(async (stats) => ({
          ...stats,
          volumes: await this.volumes.usage(stats.metadata.uid, options),
        })),
    );
  }

  /**
   * `read` at once and then again and again, from one beginning to the next; when it takes longer than that, the next one
   * begins at its end.
   */
  watch(filter: PodFilter, intervalMs = DEFAULT_INTERVAL_MS): Observable<readonly PodStats[]> {
    return new Observable((subscriber) => {
      const stopped = new AbortController();
      const { signal } = stopped;
      const rounds = async () => {
        if (!(intervalMs > 0)) {
          throw new PodwrightError(
            'invalid-argument',
            `The interval of statistics is ${intervalMs} ms and has to be above 0.`,
          );
        }
        while (!signal.aborted) {
          const begunMs = this.clock.nowMs();
          subscriber.next(await this.read(filter, { signal }));
          await this.clock.sleep(Math.max(0, begunMs + intervalMs - this.clock.nowMs()), signal);
        }
      };
      rounds().catch((error: unknown) => {
        if (!signal.aborted) subscriber.error(error);
      });
      return () => stopped.abort();
    });
  }
}
