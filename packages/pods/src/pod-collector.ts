import {
  Clock,
  type ContainerStatus,
  computeGc,
  type GcOptions,
  type GcPod,
  type GcPolicy,
  type GcResult,
  Logger,
  messageOf,
  type OrphanReport,
  PodStore,
  PodwrightError,
  type RestartBackoff,
  RuntimeService,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ImageCollector } from './image-collector.js';
import { ImageUses } from './image-uses.js';
import { PodEnder } from './pod-ender.js';
import { PodLocks } from './pod-locks.js';
import { groupPodFacts, isActive, type PodFacts, presented } from './pod-views.js';
import { CallerBackoff } from './restart-backoff.js';

/** Removes what has ended and what nobody owns; decides with `computeGc`. */
@injectable()
export class PodCollector {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodEnder) private readonly ender: PodEnder,
    @inject(PodLocks) private readonly locks: PodLocks,
    @inject(ImageCollector) private readonly images: ImageCollector,
    @inject(ImageUses) private readonly uses: ImageUses,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async collect(policy: GcPolicy, options: GcOptions): Promise<GcResult> {
    const { signal, dryRun = false } = options;
    const removed: string[] = [];
    const errors: Error[] = [];
    const attempt = async (what: string, action: () => Promise<boolean>) => {
      throwIfAborted(signal);
      try {
        if (dryRun || (await action())) removed.push(what);
      } catch (error) {
        if (PodwrightError.is(error, 'cancelled') && signal?.aborted) throw error;
        errors.push(asError(error));
      }
    };

    for (const { uid, namespace, name } of await this.abandoned()) {
      await attempt(`pod ${namespace}/${name} that was never started in full`, () =>
        this.removeAbandoned(uid, signal),
      );
    }
    const facts = await this.facts(signal);
    const decision = computeGc(policy, {
      nowMs: this.clock.nowMs(),
      allSourcesReady: options.allSourcesReady ?? false,
      pods: facts.map((pod) => this.toGcPod(pod, options)),
    });
    const containers = new Map(facts.flatMap((pod) => pod.containers.map((status) => [status.id, status])));
    for (const id of decision.containers) {
      const status = containers.get(id);
      await attempt(`container ${status?.metadata.name ?? id} of pod ${status?.podUid ?? 'unknown'}`, () =>
        this.removeContainer(id, status, signal),
      );
    }
    for (const uid of decision.pods) {
      const pod = facts.find((candidate) => candidate.uid === uid);
      // The one that removes it looks again; a dry run has to do so here.
      if (pod && !(dryRun && isActive(pod, this.backoff))) {
        await attempt(nameOf(pod), () => this.removePod(pod, signal));
      }
    }
    throwIfAborted(signal);
    const orphans = await this.orphans(options);
    // Last: what went before has set images free.
    const images = options.images && (await this.images.collect(options.images, options));
    return {
      removed: [...removed, ...orphans.removed, ...(images?.removed ?? [])],
      marked: orphans.marked,
      errors: [...errors, ...orphans.errors, ...(images?.errors ?? [])],
    };
  }

  private async orphans({ signal, dryRun, orphanGraceMs }: GcOptions): Promise<OrphanReport> {
    try {
      return await this.service.removeOrphans({
        isKnownPod: async (uid) => this.locks.isStarting(uid) || (await this.store.get(uid)) !== undefined,
        ...(dryRun === undefined ? {} : { dryRun }),
        ...(orphanGraceMs === undefined ? {} : { graceMs: orphanGraceMs }),
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      if (PodwrightError.is(error, 'cancelled') && signal?.aborted) throw error;
      return { removed: [], marked: [], errors: [asError(error)] };
    }
  }

  /** Removes what an agent left that died while it started pods. What fails is left to garbage collection. */
  async removeAllAbandoned(): Promise<void> {
    for (const { uid, namespace, name } of await this.abandoned()) {
      const fields = { pod: `${namespace}/${name}`, uid };
      try {
        if (await this.removeAbandoned(uid)) {
          this.logger.info('Removed a pod whose start an earlier agent did not finish.', fields);
        }
      } catch (error) {
        this.logger.error(`A half-started pod could not be removed: ${messageOf(error)}`, fields);
      }
    }
  }

  private async abandoned() {
    return (await this.store.list()).filter(
      ({ uid, state }) => state === 'preparing' && !this.locks.isStarting(uid),
    );
  }

  private removeAbandoned(uid: string, signal?: AbortSignal): Promise<boolean> {
    return this.locks.run(
      uid,
      async () => {
        if ((await this.store.get(uid))?.state !== 'preparing') return false;
        await this.ender.remove(uid, { graceMs: 0, ...(signal ? { signal } : {}) });
        return true;
      },
      signal,
    );
  }

  private async facts(signal: AbortSignal | undefined): Promise<readonly PodFacts[]> {
    const callOptions = signal ? { signal } : {};
    // The backend first: what is made after this has a record by then, and is not taken for forgotten.
    const [sandboxes, containers] = await Promise.all([
      this.service.listPodSandboxes({}, callOptions),
      this.service.listContainers({}, callOptions),
    ]);
    return groupPodFacts(await this.store.list(), sandboxes, containers);
  }

  private toGcPod(facts: PodFacts, { wanted }: GcOptions): GcPod {
    const { uid, record, sandboxes, containers } = facts;
    return {
      uid,
      known: record !== undefined,
      preparing: this.locks.isStarting(uid) || isBeginning(facts),
      wanted: wanted?.has(uid) ?? false,
      createdAtMs: record?.createdAtMs ?? sandboxes[0]?.createdAtMs ?? 0,
      containers: containers.map((status) => {
        const { id, metadata, createdAtMs, attempts } = status;
        const finishedAtMs = attempts.at(-1)?.finishedAtMs;
        return {
          id,
          name: metadata.name,
          state: presented(status, facts, this.backoff).state,
          createdAtMs,
          ...(finishedAtMs === undefined ? {} : { finishedAtMs }),
        };
      }),
    };
  }

  private removeContainer(
    id: string,
    status: ContainerStatus | undefined,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const callOptions = signal ? { signal } : {};
    return this.locks.run(
      status?.podUid ?? id,
      async () => {
        await this.service.removeContainer(id, callOptions);
        if (status) this.uses.used(status.imageId);
        return true;
      },
      signal,
    );
  }

  private removePod({ uid, record }: PodFacts, signal: AbortSignal | undefined): Promise<boolean> {
    const callOptions = signal ? { signal } : {};
    return this.locks.run(
      uid,
      async () => {
        // Meanwhile it may have been removed and started anew.
        const now = await this.store.get(uid);
        if (now?.createdAtMs !== record?.createdAtMs) return false;
        const [sandboxes, containers] = await Promise.all([
          this.service.listPodSandboxes({ podUid: uid }, callOptions),
          this.service.listContainers({ podUid: uid }, callOptions),
        ]);
        const facts = groupPodFacts(now ? [now] : [], sandboxes, containers)[0];
        if (facts && isActive(facts, this.backoff)) return false;
        await this.ender.remove(uid, callOptions);
        return true;
      },
      signal,
    );
  }
}

/** Nothing of it has run yet. */
function isBeginning({ record, containers }: PodFacts): boolean {
  return record?.state === 'preparing' || (record?.state === 'starting' && containers.length === 0);
}

function nameOf({ uid, record, sandboxes }: PodFacts): string {
  const identity = record ?? sandboxes[0]?.metadata;
  return identity ? `pod ${identity.namespace}/${identity.name} (${uid})` : `what is left of pod ${uid}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error), { cause: error });
}
