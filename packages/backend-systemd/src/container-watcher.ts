import type { ContainerAttempt, ContainerPhase, ContainerStatus, RuntimeEvent } from '@podwright/core';
import { KeyedMutex, Logger, messageOf } from '@podwright/core';
import { SystemdManager, type UnitEvent } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { type Observable, Subject, type Subscription } from 'rxjs';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { containerOfUnit } from './host-layout.js';
import { StateLoader } from './state-loader.js';

const SETTLED: ReadonlySet<string> = new Set(['active', 'inactive', 'failed']);

/** Numbers of the next attempts of a container whose start and end are to be told. */
interface Told {
  readonly started: number;
  readonly ended: number;
}

/** What came of a container while nobody was to look. */
interface Held {
  count: number;
  /** Any reason to look. */
  missed: boolean;
  /** The last of it was something else than that its unit is active. */
  ended: boolean;
}

const NOTHING: Told = { started: 0, ended: 0 };

/**
 * Tells what happens to containers. systemd's signals only say when to look; what is told is the difference between
 * two looks, so that a missed signal costs nothing: after a reconnect everything is looked at anew.
 */
@injectable()
export class ContainerWatcher {
  private readonly subject = new Subject<RuntimeEvent>();
  private readonly told = new Map<string, Told>();
  private readonly mutex = new KeyedMutex();
  /** Containers whose next look has not begun. */
  private readonly waiting = new Set<string>();
  /** Containers that are not looked at because somebody will when they are done with it; whether there was a reason to. */
  private readonly held = new Map<string, Held>();
  private subscription: Subscription | undefined;

  constructor(
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(StateLoader) private readonly state: StateLoader,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  get events(): Observable<RuntimeEvent> {
    return this.subject;
  }

  /** Begins with the state as it is: what happened before is in the containers' attempts. */
  async start(): Promise<void> {
    for (const status of await this.statuses.ofAll(this.store.list())) {
      this.told.set(status.id, countsOf(status, NOTHING));
    }
    // A start that failed after this is tried again.
    this.subscription?.unsubscribe();
    this.subscription = this.manager.unitEvents.subscribe((event) => {
      if (event.type === 'relist') this.lookAtAll();
      else {
        const id = containerOfUnit(event.unit);
        if (id !== undefined && tellsNews(event)) this.look(id, event);
      }
    });
    // What happened between the first look and the subscription.
    for (const status of await this.statuses.ofAll(this.store.list())) this.tell(status);
  }

  stop(): void {
    this.subscription?.unsubscribe();
    this.subject.complete();
  }

  emit(event: RuntimeEvent): void {
    this.subject.next(event);
  }

  /** After a look that may be under way, so that it does not tell everything anew. */
  async forget(id: string): Promise<void> {
    await this.mutex.run(id, async () => {
      this.told.delete(id);
    });
  }

  /**
   * Starts a container whose signals on the way tell nothing: what came of it is told once, afterwards. When it runs, its
   * files and the end of the start tell all that systemd could.
   * @throws what `start` throws
   */
  async lookAfter(id: string, start: () => Promise<void>): Promise<void> {
    const held = this.held.get(id) ?? { count: 0, missed: false, ended: false };
    held.count++;
    this.held.set(id, held);
    try {
      await start();
    } catch (error) {
      this.letGo(id, held);
      if (held.missed) this.look(id);
      throw error;
    }
    this.letGo(id, held);
    const started = held.ended ? undefined : this.statuses.ofStarted(id);
    if (started === undefined) await this.refresh(id);
    else this.tell(started);
  }

  private letGo(id: string, held: Held): void {
    held.count--;
    if (held.count === 0) this.held.delete(id);
  }

  /** Looks at a container and tells what is new. */
  async refresh(id: string): Promise<void> {
    await this.mutex.run(id, () => this.lookNow(id));
  }

  private async lookNow(id: string): Promise<void> {
    // Made by another process since the last look.
    if (this.store.get(id) === undefined) await this.state.refresh();
    const record = this.store.get(id);
    if (record !== undefined) this.tell(await this.statuses.of(record));
  }

  /** One look serves all signals that come before it begins. */
  private look(id: string, event?: UnitEvent): void {
    const held = this.held.get(id);
    if (held !== undefined) {
      held.missed = true;
      held.ended = !isStart(event);
    }
    if (held !== undefined || this.waiting.has(id)) return;
    this.waiting.add(id);
    this.mutex
      .run(id, async () => {
        this.waiting.delete(id);
        await this.lookNow(id);
      })
      .catch((error: unknown) => {
        this.logger.warn(`The state of container ${id} could not be read: ${messageOf(error)}`);
      });
  }

  private lookAtAll(): void {
    for (const record of this.store.list()) this.look(record.id);
  }

  private tell(status: ContainerStatus): void {
    const before = this.told.get(status.id) ?? NOTHING;
    this.told.set(status.id, countsOf(status, before));
    const base = { sandboxId: status.sandboxId, podUid: status.podUid, containerId: status.id };
    for (const attempt of status.attempts) {
      const { attempt: index, startedAtMs, finishedAtMs } = attempt;
      const cannotRun = attempt.reason === 'ContainerCannotRun';
      if (index >= before.started && !cannotRun) {
        this.emit({ ...base, type: 'container-started', attempt: index, timestampMs: startedAtMs });
      }
      if (index >= before.ended && finishedAtMs !== undefined) {
        const isLast = attempt === status.attempts.at(-1);
        const restartInMs = isLast ? restartDelay(status.state, status.nextStartAtMs, finishedAtMs) : 0;
        this.emit({
          ...base,
          type: 'container-exited',
          attempt,
          timestampMs: finishedAtMs,
          ...(restartInMs === undefined ? {} : { restartInMs }),
        });
      }
    }
  }
}

/** Never back: what was told once is not told again, whatever an older look at it says. */
function countsOf({ attempts }: ContainerStatus, before: Told): Told {
  const lastEnded = attempts.findLast(({ finishedAtMs }) => finishedAtMs !== undefined);
  return {
    started: Math.max(before.started, next(attempts.at(-1))),
    ended: Math.max(before.ended, next(lastEnded)),
  };
}

function next(attempt: ContainerAttempt | undefined): number {
  return attempt === undefined ? 0 : attempt.attempt + 1;
}

/** From the end on, which is the time of its event, however late that was seen. */
function restartDelay(
  state: ContainerPhase,
  nextStartAtMs: number | undefined,
  finishedAtMs: number,
): number | undefined {
  if (state !== 'waiting' || nextStartAtMs === undefined) return undefined;
  return Math.max(0, nextStartAtMs - finishedAtMs);
}

/**
 * Whether a container may have started or ended by this. A unit tells its state a dozen times on the way to a start; the
 * steps in between say nothing about its container.
 */
function tellsNews(event: UnitEvent): boolean {
  if (event.type === 'removed') return true;
  if (event.type !== 'changed') return false;
  const { ActiveState, SubState } = event.properties;
  return SubState === 'auto-restart' || (ActiveState !== undefined && SETTLED.has(ActiveState));
}

/** Whether an event tells no more than that a unit has started. */
function isStart(event: UnitEvent | undefined): boolean {
  return event?.type === 'changed' && event.properties.ActiveState === 'active';
}
