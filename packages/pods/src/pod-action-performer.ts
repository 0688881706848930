import {
  Clock,
  CONTAINER_HASH_ANNOTATION,
  type ContainerStatus,
  containerHash,
  KeyedMutex,
  Logger,
  messageOf,
  type Pod,
  type PodAction,
  type PodRecord,
  type PodSandboxStatus,
  PodStore,
  PodwrightError,
  type RestartBackoff,
  RuntimeService,
  restartOwner,
  seriesLength,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { ContainerResizer } from './container-resizer.js';
import { ContainerStarter, type PodMember } from './container-starter.js';
import { ContainerStopper, type EndOptions } from './container-stopper.js';
import { withEnds, withSuccessor } from './owed-containers.js';
import { PodEnder } from './pod-ender.js';
import { PodImages } from './pod-images.js';
import { PodPreparer } from './pod-preparer.js';
import { attemptsOf } from './pod-views.js';
import { CallerBackoff } from './restart-backoff.js';

/** Containers of one name that stay when another one is started: the newest, for its logs and its exit code. */
const KEPT_BESIDE_NEWEST = 1;

type StartAction = Extract<PodAction, { action: 'start-container' }>;
type KillAction = Extract<PodAction, { action: 'kill-container' }>;

/** What the actions of one round of a sync share: what was found, and what they make. */
export interface SyncRound {
  readonly record: PodRecord;
  readonly sandboxes: readonly PodSandboxStatus[];
  readonly containers: readonly ContainerStatus[];
  readonly signal: AbortSignal;
  readonly report: (action: PodAction, error?: unknown) => void;
  sandbox: PodSandboxStatus | undefined;
  volumePaths: Promise<ReadonlyMap<string, string>> | undefined;
}

/** Does what was decided for a pod. */
@injectable()
export class PodActionPerformer {
  /** Containers that are started side by side settle one after the other. */
  private readonly settling = new KeyedMutex();

  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodPreparer) private readonly preparer: PodPreparer,
    @inject(PodImages) private readonly images: PodImages,
    @inject(ContainerStarter) private readonly starter: ContainerStarter,
    @inject(ContainerStopper) private readonly stopper: ContainerStopper,
    @inject(ContainerResizer) private readonly resizer: ContainerResizer,
    @inject(PodEnder) private readonly ender: PodEnder,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * In order; what depends on an action that failed is left out. Each action is reported with its error.
   * @throws PodwrightError kind `cancelled`
   */
  async perform(actions: readonly PodAction[], round: SyncRound): Promise<void> {
    const noted = withEnds(round.record, actions, round.containers);
    if (noted !== round.record) await this.store.put(noted);
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

  private async attempt(action: PodAction, round: SyncRound, work: () => Promise<void>): Promise<boolean> {
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

  private async makeSandbox(attempt: number, round: SyncRound): Promise<void> {
    await this.preparer.checkVolumes(round.record);
    const id = await this.preparer.makeSandbox(round.record, attempt, round.signal);
    round.sandbox = await this.preparer.sandbox(id, round.signal);
    // The one before stays for the logs and exit codes of its containers.
    for (const { id: old, metadata } of round.sandboxes) {
      if (metadata.attempt >= attempt - 1) continue;
      await this.service.removePodSandbox(old);
    }
  }

  private volumePaths(round: SyncRound): Promise<ReadonlyMap<string, string>> {
    round.volumePaths ??= this.preparer.setUpVolumes(round.record, round.signal);
    return round.volumePaths;
  }

  /** App containers side by side, then sidecars one after the other: one grace serves them all. */
  private async killContainers(kills: readonly KillAction[], round: SyncRound): Promise<ReadonlySet<string>> {
    const unkilled = new Set<string>();
    const sinceMs = this.clock.nowMs();
    const kill = async (action: KillAction, shared: EndOptions = {}) => {
      const done = await this.attempt(action, round, () => this.stop(action, round, shared));
      if (!done) unkilled.add(action.container);
    };
    await Promise.all(kills.filter(({ kind }) => kind === 'app').map((action) => kill(action)));
    for (const action of kills.filter(({ kind }) => kind === 'init')) await kill(action, { sinceMs });
    return unkilled;
  }

  private async stop(
    action: KillAction,
    { record, containers, signal }: SyncRound,
    shared: EndOptions,
  ): Promise<void> {
    const status = containers.find(({ id }) => id === action.id);
    if (!status) return;
    const grace = action.graceMs === undefined ? {} : { graceMs: action.graceMs };
    await this.stopper.stop({ identity: record, record }, status, action.message, {
      signal,
      ...grace,
      ...shared,
    });
  }

  private async startContainer(action: StartAction, round: SyncRound): Promise<void> {
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
    { record, signal }: SyncRound,
  ): Promise<void> {
    await this.resizer.follow(record, id, resources, { signal });
  }

  private settle(uid: string, container: string): Promise<void> {
    return this.settling.run(uid, async () => {
      const record = await this.store.get(uid);
      const settled = record && withSuccessor(record, container);
      if (settled && settled !== record) await this.store.put(settled);
    });
  }
}

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
