import {
  Clock,
  CONTAINER_HASH_ANNOTATION,
  type ContainerStatus,
  computePodActions,
  containerHash,
  crashLoopDelayMs,
  formatContainerId,
  Logger,
  messageOf,
  type Pod,
  type PodAction,
  type PodActionResult,
  type PodRecord,
  type PodSandboxStatus,
  PodStore,
  PodwrightError,
  ProbeResults,
  type RestartBackoff,
  RuntimeService,
  restartOwner,
  sandboxHash,
  seriesLength,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ContainerResizer } from './container-resizer.js';
import { ContainerStarter, type PodMember } from './container-starter.js';
import { ContainerStopper } from './container-stopper.js';
import { PodDeadlines } from './pod-deadlines.js';
import { PodEnder } from './pod-ender.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodImages } from './pod-images.js';
import { PodPreparer } from './pod-preparer.js';
import { attemptsOf } from './pod-views.js';
import { CallerBackoff } from './restart-backoff.js';
import { sandboxConfig } from './sandbox-config.js';

/** Containers of one name that stay when another one is started: the newest, for its logs and its exit code. */
const KEPT_BESIDE_NEWEST = 1;

type StartAction = Extract<PodAction, { action: 'start-container' }>;
type KillAction = Extract<PodAction, { action: 'kill-container' }>;
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

/** What the actions of one round share. */
interface Round {
  readonly record: PodRecord;
  readonly sandboxes: readonly PodSandboxStatus[];
  readonly containers: readonly ContainerStatus[];
  readonly signal: AbortSignal;
  readonly report: (action: PodAction, error?: unknown) => void;
  sandbox: PodSandboxStatus | undefined;
  volumePaths: Promise<ReadonlyMap<string, string>> | undefined;
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
    @inject(PodPreparer) private readonly preparer: PodPreparer,
    @inject(PodImages) private readonly images: PodImages,
    @inject(ContainerStarter) private readonly starter: ContainerStarter,
    @inject(ContainerStopper) private readonly stopper: ContainerStopper,
    @inject(ContainerResizer) private readonly resizer: ContainerResizer,
    @inject(PodEnder) private readonly ender: PodEnder,
    @inject(PodDeadlines) private readonly deadlines: PodDeadlines,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(ProbeResults) private readonly probes: ProbeResults,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * @returns every action with its error; undefined when there is no such pod, or `runPod` is at work on it
   * @throws PodwrightError kind `cancelled`, and what asking the backend or the store throws
   */
  async sync(uid: string, { keepUpOnly, signal }: SyncOptions): Promise<SyncOutcome | undefined> {
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
        if (record.state === 'killed') await this.perform(open, { ...round, signal });
        else
          await this.deadlines.within(record, signal, (limit) =>
            this.perform(open, { ...round, signal: limit }),
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

  /** Does what was decided, in order; what depends on an action that failed is left out. */
  private async perform(actions: readonly PodAction[], round: Round): Promise<void> {
    await this.noteOwed(actions, round);
    for (const action of actions) {
      if (action.action === 'kill-pod') {
        const kill = () =>
          this.ender.stopAll(round.record.uid, round.record, action.message, { signal: round.signal });
        if (!(await this.attempt(action, round, kill))) return;
      }
      if (action.action === 'create-sandbox') {
        if (!(await this.attempt(action, round, () => this.makeSandbox(action.attempt, round)))) return;
      }
    }
    const unkilled = await this.killContainers(actions.filter(isKill), round);
    for (const action of actions) {
      if (action.action === 'resize-pod') {
        const { record, signal } = round;
        await this.attempt(action, round, () => this.resizer.followPod(record, { signal }));
      } else if (action.action === 'resize-container') {
        await this.attempt(action, round, () => this.resize(action, round));
      }
    }
    const starts = actions.filter(isStart).filter(({ container }) => !unkilled.has(container));
    await Promise.all(
      starts.map((action) => this.attempt(action, round, () => this.startContainer(action, round))),
    );
  }

  private async attempt(action: PodAction, round: Round, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      round.report(action);
      return true;
    } catch (error) {
      throwIfAborted(round.signal);
      round.report(action, error);
      return false;
    }
  }

  private async makeSandbox(attempt: number, round: Round): Promise<void> {
    await this.preparer.checkVolumes(round.record);
    const id = await this.preparer.makeSandbox(round.record, attempt, round.signal);
    round.sandbox = await this.preparer.sandbox(id, round.signal);
    // The one before stays for the logs and exit codes of its containers.
    for (const { id: old, metadata } of round.sandboxes) {
      if (metadata.attempt >= attempt - 1) continue;
      await this.service.removePodSandbox(old);
    }
  }

  private volumePaths(round: Round): Promise<ReadonlyMap<string, string>> {
    round.volumePaths ??= this.preparer.setUpVolumes(round.record, round.signal);
    return round.volumePaths;
  }

  /** App containers side by side, so that one grace serves them all; sidecars after them, one after the other. */
  private async killContainers(kills: readonly KillAction[], round: Round): Promise<ReadonlySet<string>> {
    const unkilled = new Set<string>();
    const kill = async (action: KillAction) => {
      const done = await this.attempt(action, round, () => this.stop(action, round));
      if (!done) unkilled.add(action.container);
    };
    await Promise.all(kills.filter(({ kind }) => kind === 'app').map(kill));
    for (const action of kills.filter(({ kind }) => kind === 'init')) await kill(action);
    return unkilled;
  }

  private async stop(action: KillAction, { record, containers, signal }: Round): Promise<void> {
    const status = containers.find(({ id }) => id === action.id);
    if (!status) return;
    const grace = action.graceMs === undefined ? {} : { graceMs: action.graceMs };
    await this.stopper.stop({ identity: record, record }, status, action.message, { signal, ...grace });
  }

  private async startContainer(action: StartAction, round: Round): Promise<void> {
    const { record, sandbox, signal } = round;
    const { manifest: pod } = record;
    if (!sandbox) throw new PodwrightError('internal', 'A container is to be started without a sandbox.');
    const member = memberOf(pod, action);
    await this.images.ensureAll(onlyWith(pod, member), signal, record.objects);
    const volumePaths = await this.volumePaths(round);
    if (action.replaces !== undefined) await this.service.removeContainer(action.replaces, { signal });
    const earlier = attemptsOf(round.containers, action.container).filter(({ id }) => id !== action.replaces);
    const series = this.seriesBefore(earlier.at(-1), pod, member);
    const surroundings = { record, sandbox, volumePaths, signal };
    const id = await this.starter.create(surroundings, member, { attempt: action.attempt, series });
    // Before it starts: from here on it is an ordinary container that was made and not started.
    await this.settle(record.uid, action.container);
    await this.starter.start(record, member, id, signal);
    await this.removeOld(earlier);
  }

  /** A container that was ended because it changed begins a new series. */
  private seriesBefore(
    status: ContainerStatus | undefined,
    pod: Pod,
    { container, kind }: PodMember,
  ): number {
    const owner = restartOwner(pod, container, kind, this.service.features.supervisedRestart);
    const isSame = status?.annotations[CONTAINER_HASH_ANNOTATION] === containerHash(pod, container, owner);
    return status && isSame ? seriesLength(status, this.backoff) : 0;
  }

  private async removeOld(earlier: readonly ContainerStatus[]): Promise<void> {
    for (const { id, metadata, podUid } of earlier.slice(0, -KEPT_BESIDE_NEWEST)) {
      try {
        await this.service.removeContainer(id);
      } catch (error) {
        const fields = { uid: podUid, container: metadata.name, id };
        this.logger.warn(`An old container could not be removed: ${messageOf(error)}`, fields);
      }
    }
  }

  private async resize(
    { id, resources }: Extract<PodAction, { action: 'resize-container' }>,
    { record, signal }: Round,
  ): Promise<void> {
    await this.resizer.follow(record, id, resources, { signal });
  }

  /** Writes down which containers are ended only to be started again, before they are ended. */
  private async noteOwed(actions: readonly PodAction[], { record, containers }: Round): Promise<void> {
    const isNewSandbox = actions.some(({ action }) => action === 'create-sandbox');
    const running = containers.filter(({ state }) => state === 'running' || state === 'waiting');
    const starts = new Set(actions.filter(isStart).map(({ container }) => container));
    const ended = isNewSandbox
      ? running.map(({ metadata }) => metadata.name)
      : actions.filter(isKill).flatMap(({ container }) => (starts.has(container) ? [container] : []));
    const owed = [...new Set([...(record.owed ?? []), ...ended])];
    if (owed.length === (record.owed?.length ?? 0)) return;
    await this.store.put({ ...record, owed });
  }

  private async settle(uid: string, container: string): Promise<void> {
    const record = await this.store.get(uid);
    if (!record?.owed?.includes(container)) return;
    const { owed, ...rest } = record;
    const left = owed.filter((name) => name !== container);
    await this.store.put(left.length === 0 ? rest : { ...rest, owed: left });
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

function isKill(action: PodAction): action is KillAction {
  return action.action === 'kill-container';
}

function isStart(action: PodAction): action is StartAction {
  return action.action === 'start-container';
}

function memberOf({ spec }: Pod, { container: name, kind }: StartAction): PodMember {
  const list = kind === 'init' ? spec.initContainers : spec.containers;
  const container = list.find((candidate) => candidate.name === name);
  if (!container) throw new PodwrightError('internal', `The manifest has no container ${name}.`);
  return { container, kind };
}

/** The pod as if it had this container only, for the images of one. */
function onlyWith(pod: Pod, { container, kind }: PodMember): Pod {
  const initContainers = kind === 'init' ? [container] : [];
  return { ...pod, spec: { ...pod.spec, initContainers, containers: kind === 'app' ? [container] : [] } };
}

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
