import { setTimeout as delay } from 'node:timers/promises';
import { Clock, Logger, messageOf, PodwrightError, type RuntimeEvent } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { type Observable, Subject } from 'rxjs';
import { CriBackendOptions } from './backend-options.js';
import { ContainerStates } from './container-states.js';
import { CriConnection } from './cri-connection.js';
import type { ContainerRecord, Made } from './records.js';
import { compareStates, type StateChange, type StateSnapshot } from './state-changes.js';
import { StateRecords } from './state-records.js';

/** After the runtime's stream of events was lost, in milliseconds. */
const RECONNECT_MS = 200;
/** Where the runtime tells what happens it is asked nevertheless, so many times less often: not every event tells all. */
const TOLD_FACTOR = 10;

/**
 * Tells what happens to this backend's sandboxes and containers. Each look at the runtime's lists is compared with the
 * look before; it looks after each change of its own, when the runtime tells an event, and in an interval.
 */
@injectable()
export class StateWatcher {
  private readonly subject = new Subject<RuntimeEvent>();
  private readonly ending = new AbortController();
  private known: StateSnapshot = { sandboxes: new Map(), containers: new Map() };
  private looking: Promise<void> | undefined;
  private again: Promise<void> | undefined;
  private told = false;
  private failed = false;

  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(StateRecords) private readonly records: StateRecords,
    @inject(ContainerStates) private readonly states: ContainerStates,
    @inject(CriBackendOptions) private readonly options: CriBackendOptions,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  get events(): Observable<RuntimeEvent> {
    return this.subject;
  }

  /** What there is already is no event. */
  async start(): Promise<void> {
    this.known = await this.snapshot();
    void this.listen();
    void this.repeat();
  }

  stop(): void {
    this.ending.abort();
    this.subject.complete();
  }

  /** Looks at what has changed, and tells it before it resolves. Calls at once share a look that begins after them. */
  look(): Promise<void> {
    if (!this.looking) {
      this.looking = this.compare().finally(() => {
        this.looking = undefined;
      });
      return this.looking;
    }
    this.again ??= this.looking
      .catch(() => undefined)
      .then(() => {
        this.again = undefined;
        return this.look();
      });
    return this.again;
  }

  /** As `look`, for what has been done already: that it is told late is no failure of it. */
  async lookQuietly(): Promise<void> {
    try {
      await this.look();
      this.failed = false;
    } catch (error) {
      if (this.ending.signal.aborted) return;
      if (!this.failed) this.logger.warn(`What happens in the runtime is not seen: ${messageOf(error)}`);
      this.failed = true;
    }
  }

  private async compare(): Promise<void> {
    const next = await this.snapshot();
    const before = this.known;
    this.known = next;
    for (const change of compareStates(before, next)) await this.tell(change);
  }

  private async snapshot(): Promise<StateSnapshot> {
    await this.records.refresh();
    const { sandboxes, containers } = this.records;
    if (sandboxes.all().length === 0 && this.known.sandboxes.size === 0) {
      return { sandboxes: new Map(), containers: new Map() };
    }
    const [pods, all] = await this.connection.call('What runs cannot be listed', ({ runtime }, call) =>
      Promise.all([runtime.listPodSandbox({}, call), runtime.listContainers({}, call)]),
    );
    return {
      sandboxes: new Map(
        pods.items.flatMap(({ id, state }) => {
          const record = sandboxes.get(id);
          if (!record) return [];
          const ready = state === cri.PodSandboxState.SANDBOX_READY;
          return [[id, { podUid: record.config.metadata.uid, ready }] as const];
        }),
      ),
      containers: new Map(
        all.containers.flatMap(({ id, state }) => {
          const record = containers.get(id);
          return record ? [[id, { record, state }] as const] : [];
        }),
      ),
    };
  }

  private async tell(change: StateChange): Promise<void> {
    const { sandboxId, podUid } = change;
    const common = { timestampMs: this.clock.nowMs(), sandboxId, podUid };
    switch (change.type) {
      case 'container-created':
      case 'container-removed':
        this.subject.next({ ...common, type: change.type, containerId: change.containerId });
        return;
      case 'container-started':
        this.subject.next({ ...common, type: change.type, containerId: change.containerId, attempt: 0 });
        return;
      case 'container-exited':
        await this.tellExit(change.record, common);
        return;
      default:
        this.subject.next({ ...common, type: change.type });
    }
  }

  private async tellExit(
    record: Made<ContainerRecord>,
    common: { readonly timestampMs: number; readonly sandboxId: string; readonly podUid: string },
  ): Promise<void> {
    const status = await this.states.status(record).catch((error: unknown) => {
      // Removed in the moment in between: its removal is told next.
      if (!PodwrightError.is(error, 'not-found')) throw error;
      return undefined;
    });
    const attempt = status?.attempts.at(-1);
    if (attempt) this.subject.next({ ...common, type: 'container-exited', containerId: record.id, attempt });
  }

  /** Hears the runtime's events, where it tells them. */
  private async listen(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      try {
        for await (const _event of this.connection.events(signal)) {
          this.told = true;
          void this.lookQuietly();
        }
      } catch (error) {
        this.told = false;
        if (signal.aborted) return;
        if (isUnimplemented(error)) {
          const { relistMs } = this.options;
          this.logger.info(`the runtime tells no events: it is asked every ${relistMs} ms`);
          return;
        }
      }
      // It went away, and what happened until it is back is found by a look.
      await this.lookQuietly();
      await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async repeat(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      const pause = this.options.relistMs * (this.told ? TOLD_FACTOR : 1);
      await delay(pause, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.lookQuietly();
    }
  }
}

function isUnimplemented(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 12;
}
