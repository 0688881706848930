import {
  Clock,
  type ContainerStatus,
  computePodActions,
  crashLoopDelayMs,
  formatContainerId,
  messageOf,
  type PodAction,
  type PodActionResult,
  type PodRecord,
  type PodSandboxStatus,
  PodStore,
  PodwrightError,
  ProbeResults,
  type RestartBackoff,
  RuntimeService,
  sandboxHash,
  seriesLength,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodActionPerformer } from './pod-action-performer.js';
import { PodDeadlines } from './pod-deadlines.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodRestorer } from './pod-restorer.js';
import { attemptsOf } from './pod-views.js';
import { CallerBackoff } from './restart-backoff.js';
import { sandboxConfig } from './sandbox-config.js';

export type WaitAction = Extract<PodAction, { action: 'wait' }>;

export interface SyncOptions {
  /** See `PodActionsInput.keepUpOnly`. */
  readonly keepUpOnly: boolean;
  readonly signal: AbortSignal;
}

export interface SyncOutcome {
  readonly actions: readonly PodActionResult[];
  /** Containers in their back-off. */
  readonly waits: readonly WaitAction[];
  readonly ips: readonly string[];
  /** When the pod is to be looked at again to end it, in milliseconds since the epoch. */
  readonly deadlineMs?: number;
}

/**
 * Brings one pod to what its record's manifest says: asks the backend, decides with `computePodActions`, acts, and does so
 * again until nothing is left that can be done now. All that it goes by is in the backend and in the record, so that
 * another agent can go on wherever one stopped. The caller holds the pod's lock.
 */
@injectable()
export class PodSyncer {
  /** Ids of containers of whose back-off people were told, by pod. */
  private readonly told = new Map<string, ReadonlySet<string>>();

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodActionPerformer) private readonly performer: PodActionPerformer,
    @inject(PodRestorer) private readonly restorer: PodRestorer,
    @inject(PodDeadlines) private readonly deadlines: PodDeadlines,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(ProbeResults) private readonly probes: ProbeResults,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * @returns every action with its error; undefined when there is no such pod, or `runPod` is at work on it
   * @throws PodwrightError kind `cancelled`, what asking the backend or the store throws, and as `PodRestorer.resume`
   */
  async sync(uid: string, { keepUpOnly, signal }: SyncOptions): Promise<SyncOutcome | undefined> {
    // What would be decided of a pod that is half back is wrong: that its init containers have done their work.
    await this.restorer.resume(uid, { signal });
    const results: PodActionResult[] = [];
    const failed = new Set<string | undefined>();
    const started = new Set<string>();
    for (;;) {
      throwIfAborted(signal);
      const record = await this.store.get(uid);
      if (!record || record.state === 'preparing') {
        this.told.delete(uid);
        return undefined;
      }
      const [sandboxes, containers] = await Promise.all([
        this.service.listPodSandboxes({ podUid: uid }, { signal }),
        this.service.listContainers({ podUid: uid }, { signal }),
      ]);
      const actions = this.decide(record, sandboxes, containers, keepUpOnly && record.state !== 'starting');
      const deadlineMs = isActive(containers, actions) ? this.deadlines.of(record) : undefined;
      if (deadlineMs !== undefined && record.state !== 'killed' && this.deadlines.isOver(record)) {
        await this.deadlines.fail(record);
        continue;
      }
      // What has ended since this sync started it has an event of its own, and a sync after that.
      const earlier = actions.filter((action) => !('container' in action) || !started.has(action.container));
      this.tellBackoffs(record, containers, earlier);
      const waits = actions.filter((action): action is WaitAction => action.action === 'wait');
      // Once each in a sync: what fails is tried by the next one, and what ends at once has its back-off there.
      const open = actions.filter((action) => {
        if (action.action === 'wait' || failed.has(undefined)) return false;
        return (
          !failed.has(nameOf(action)) &&
          !(action.action === 'start-container' && started.has(action.container))
        );
      });
      const ready = sandboxes.find(({ state }) => state === 'ready');
      if (open.length === 0) {
        await this.noteStarted(record, containers);
        results.push(...waits.map(resultOf));
        const ips = ready?.ips ?? [];
        return { actions: results, waits, ips, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
      }
      const report = (action: PodAction, error?: unknown) => {
        if (error !== undefined) failed.add(nameOf(action));
        else if (action.action === 'start-container') started.add(action.container);
        results.push({ ...resultOf(action), ...(error === undefined ? {} : { error: errorOf(error) }) });
      };
      const round = { record, sandboxes, containers, report, sandbox: ready, volumePaths: undefined };
      try {
        // What is to end the pod is not held up by its own deadline.
        if (record.state === 'killed') await this.performer.perform(open, { ...round, signal });
        else
          await this.deadlines.within(record, signal, (limit) =>
            this.performer.perform(open, { ...round, signal: limit }),
          );
      } catch (error) {
        throwIfAborted(signal);
        if (!PodwrightError.is(error, 'timeout') || !this.deadlines.isOver(record)) throw error;
      }
    }
  }

  private decide(
    record: PodRecord,
    sandboxes: readonly PodSandboxStatus[],
    containers: readonly ContainerStatus[],
    keepUpOnly: boolean,
  ): readonly PodAction[] {
    const { uid, manifest: pod } = record;
    const { supervisedRestart, updateResources } = this.service.features;
    return computePodActions({
      ...{ pod, keepUpOnly, sandboxes, containers, supervisedRestart },
      wanted: record.state !== 'killed',
      sandboxHash: sandboxHash(sandboxConfig(pod, 0)),
      canResize: updateResources,
      health: ({ id, metadata }) => {
        const asked = [uid, metadata.name, formatContainerId(this.service.type, id)] as const;
        return { liveness: this.probes.liveness(...asked), startup: this.probes.startup(...asked) };
      },
      resized: record.resized ?? {},
      owed: record.owed ?? [],
      unhealthy: record.unhealthy ?? [],
      backoff: this.backoff,
      nowMs: this.clock.nowMs(),
    });
  }

  /** Tells once of each back-off, also of one that is over by the time somebody looks. */
  private tellBackoffs(
    record: PodRecord,
    containers: readonly ContainerStatus[],
    actions: readonly PodAction[],
  ): void {
    const told = new Set<string>();
    for (const action of actions) {
      if (action.action !== 'wait' && action.action !== 'start-container') continue;
      const { container: name, kind } = action;
      const ended = attemptsOf(containers, name).at(-1);
      if (ended?.state !== 'exited' || record.owed?.includes(name)) continue;
      const delayMs = crashLoopDelayMs(seriesLength(ended, this.backoff), this.backoff);
      if (delayMs === 0) continue;
      told.add(ended.id);
      if (this.told.get(record.uid)?.has(ended.id)) continue;
      const message = `Container ${name} is started again in ${delayMs / 1000} s.`;
      this.events.recordAfterEnd(ended, record, 'BackOff', message, {
        container: { name, kind },
        warning: true,
      });
    }
    this.told.set(record.uid, told);
  }

  /** From here on a container that is missing was started once, and was collected. */
  private async noteStarted(record: PodRecord, containers: readonly ContainerStatus[]): Promise<void> {
    if (record.state !== 'starting') return;
    const wasStarted = (name: string) =>
      containers.some(({ metadata, attempts }) => metadata.name === name && attempts.length > 0);
    if (!record.manifest.spec.containers.every(({ name }) => wasStarted(name))) return;
    await this.store.put({ ...record, state: 'running' });
  }
}

/** Whether something of a pod runs, or is about to. */
function isActive(containers: readonly ContainerStatus[], actions: readonly PodAction[]): boolean {
  return (
    containers.some(({ state }) => state === 'running' || state === 'waiting') ||
    actions.some(({ action }) => action === 'start-container' || action === 'wait')
  );
}

/** What fails with an action and is not tried again in the same sync; undefined: all of the pod. */
function nameOf(action: PodAction): string | undefined {
  if (action.action === 'resize-pod') return RESIZE;
  return 'container' in action ? action.container : undefined;
}

/** No container has this name. A pod whose limits could not be changed runs on, and its containers are started. */
const RESIZE = '/limits';

function resultOf(action: PodAction): PodActionResult {
  const { action: what, message } = action;
  const until =
    action.action === 'wait' ? ` It is started again at ${new Date(action.untilMs).toISOString()}.` : '';
  return {
    action: what,
    ...('container' in action ? { container: action.container } : {}),
    message: `${message}${until}`,
  };
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error), { cause: error });
}
