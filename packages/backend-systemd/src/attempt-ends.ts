import { Clock } from '@podwright/core';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { filter, firstValueFrom, from, fromEvent, map, merge, NEVER, of, startWith, takeUntil } from 'rxjs';
import { ContainerStore, type WrittenAttempts } from './container-store.js';
import { containerUnitName } from './host-layout.js';

/** Waits for what the scripts of containers' units write. systemd's signals only say when to look. */
@injectable()
export class AttemptEnds {
  constructor(
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * @param isReached of what is written; looked at now, and whenever systemd tells something of the unit
   * @returns false when the time is over before, or the signal fires
   */
  async wait(
    id: string,
    isReached: (written: WrittenAttempts) => boolean,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<boolean> {
    const unit = containerUnitName(id);
    const waiting = new AbortController();
    const late = this.clock.sleep(timeoutMs, waiting.signal).catch(() => undefined);
    const reached = this.manager.unitEvents.pipe(
      filter((event) => event.type === 'relist' || event.unit === unit),
      startWith(undefined),
      map(() => isReached(this.store.attempts(id))),
      filter((is) => is),
      takeUntil(merge(from(late), aborted(signal))),
    );
    return await firstValueFrom(reached, { defaultValue: false }).finally(() => waiting.abort());
  }
}

function aborted(signal: AbortSignal | undefined) {
  if (signal === undefined) return NEVER;
  return signal.aborted ? of(signal.reason) : fromEvent(signal, 'abort');
}
