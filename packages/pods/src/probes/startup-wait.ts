import {
  type Container,
  formatContainerId,
  type PodRecord,
  PodwrightError,
  ProbeResults,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { EMPTY, filter, firstValueFrom, map, merge, of, takeUntil } from 'rxjs';
import { abortErrors } from '../abort-errors.js';

/** Waits for startup probes: what comes after a sidecar needs it to have started. */
@injectable()
export class StartupWait {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(ProbeResults) private readonly probes: ProbeResults,
  ) {}

  /**
   * Resolves when the container has started by its startup probe, at once when it has none.
   * @throws PodwrightError kind `container-start-failed` (the probe has failed, or the container has ended), `cancelled`
   */
  async succeeded(record: PodRecord, container: Container, id: string, signal: AbortSignal): Promise<void> {
    if (!container.startupProbe) return;
    const fullId = formatContainerId(this.service.type, id);
    const result = () => this.probes.startup(record.uid, container.name, fullId);
    const ends = this.service.events.pipe(
      filter((event) => event.type === 'container-exited' && event.containerId === id),
      map(() => 'ended' as const),
    );
    const news = merge(of(undefined), this.probes.changes ?? EMPTY).pipe(map(result));
    const verdict = await firstValueFrom(
      merge(news, ends).pipe(
        filter((said) => said !== 'unknown'),
        takeUntil(abortErrors(signal)),
      ),
    );
    if (verdict === 'success') return;
    const why = verdict === 'failure' ? 'its startup probe has failed' : 'it has ended before that';
    throw new PodwrightError(
      'container-start-failed',
      `The sidecar ${container.name} did not start: ${why}.`,
      { details: { container: container.name } },
    );
  }
}
