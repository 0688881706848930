import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type PodSandboxStatus,
  PodwrightError,
  type RuntimeEvent,
  type RuntimeService,
} from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import type { Subscription } from 'rxjs';
import type { ContainerStatuses } from '../calls/container-statuses.js';
import { toNanoseconds } from '../mapping/nanoseconds.js';
import { toCriSandboxStatus } from '../mapping/to-cri-sandbox.js';
import type { EventQueue } from './event-queue.js';
import { toCriEvents } from './to-cri-event.js';

export type CriEvent = MessageInitShape<typeof cri.ContainerEventResponseSchema>;

/** More events than this without an answer of the backend end the feed. */
const MAX_UNANSWERED = 1000;

/** What a sandbox is like when an event happens. */
interface Moment {
  readonly sandbox: PodSandboxStatus | undefined;
  readonly containersStatuses: readonly MessageInitShape<typeof cri.ContainerStatusSchema>[];
}

/**
 * A backend's events, each with the statuses of its sandbox and that sandbox's containers, read when it happens and told
 * in order. That of a removed sandbox is the last one that was known, since a kubelet leaves out events without it.
 */
export class EventFeed implements Disposable {
  readonly #clients = new Set<EventQueue<CriEvent>>();
  readonly #known = new Map<string, PodSandboxStatus>();
  readonly #subscription: Subscription;
  #told: Promise<void>;
  #unanswered = 0;

  /** @param onFailure the clients were told that the feed is over: dispose of it */
  constructor(
    private readonly runtime: RuntimeService,
    private readonly statuses: ContainerStatuses,
    private readonly onFailure: () => void,
  ) {
    this.#told = this.#learn().catch((error: unknown) => this.#fail(error));
    this.#subscription = runtime.events.subscribe({
      next: (event) => this.#take(event),
      error: (error: unknown) => this.#over(error),
      complete: () => this.#over(new PodwrightError('closed', 'The backend tells of no more events.')),
    });
  }

  add(client: EventQueue<CriEvent>): void {
    this.#clients.add(client);
  }

  /** @returns how many are left */
  remove(client: EventQueue<CriEvent>): number {
    this.#clients.delete(client);
    return this.#clients.size;
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
    this.#clients.clear();
  }

  /** The sandboxes that were there before. */
  async #learn(): Promise<void> {
    for (const sandbox of await this.runtime.listPodSandboxes()) {
      if (!this.#known.has(sandbox.id)) this.#known.set(sandbox.id, sandbox);
    }
  }

  /** Not at once: it may be so before there is a client. */
  #over(error: unknown): void {
    queueMicrotask(() => this.#fail(error));
  }

  #take(event: RuntimeEvent): void {
    this.#unanswered += 1;
    if (this.#unanswered > MAX_UNANSWERED) {
      const message = `The backend has not answered for the statuses of ${MAX_UNANSWERED} events.`;
      this.#fail(new PodwrightError('unavailable', message));
      return;
    }
    // Not within the backend's own step, which may go on after it has told of it.
    const reading = Promise.resolve().then(() => this.#read(event.sandboxId));
    // A failure is told in its turn.
    reading.catch(() => undefined);
    this.#told = this.#told
      .then(async () => this.#tell(event, await reading))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#unanswered -= 1;
      });
  }

  async #read(sandboxId: string): Promise<Moment> {
    const [sandbox, containers] = await Promise.all([
      this.#sandbox(sandboxId),
      this.runtime.listContainers({ sandboxId }),
    ]);
    return { sandbox, containersStatuses: await this.statuses.allToCri(containers, {}) };
  }

  async #sandbox(id: string): Promise<PodSandboxStatus | undefined> {
    try {
      return await this.runtime.podSandboxStatus(id);
    } catch (error) {
      if (PodwrightError.is(error, 'not-found')) return undefined;
      throw error;
    }
  }

  #tell(event: RuntimeEvent, { sandbox: now, containersStatuses }: Moment): void {
    const sandbox = now ?? this.#known.get(event.sandboxId);
    if (event.type === 'sandbox-removed') this.#known.delete(event.sandboxId);
    else if (sandbox !== undefined) this.#known.set(event.sandboxId, sandbox);
    const common = {
      createdAt: toNanoseconds(event.timestampMs),
      ...(sandbox === undefined
        ? {}
        : { podSandboxStatus: toCriSandboxStatus(now ?? { ...sandbox, state: 'not-ready' }) }),
      containersStatuses: [...containersStatuses],
    };
    for (const one of toCriEvents(event)) {
      for (const client of this.#clients) client.push({ ...one, ...common });
    }
  }

  #fail(error: unknown): void {
    for (const client of this.#clients) client.fail(error);
    this.onFailure();
  }
}
