import {
  type CallOptions,
  type ContainerRef,
  type ContainerStatus,
  hasLabels,
  type PodFilter,
  type PodRecord,
  type PodRef,
  type PodSandboxStatus,
  type PodStatus,
  PodStore,
  type PodSummary,
  PodwrightError,
  ProbeResults,
  type RestartBackoff,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { callOptionsOf } from './call-options-of.js';
import { PodLocks } from './pod-locks.js';
import {
  attemptsOf,
  groupPodFacts,
  isActive,
  kindOf,
  type PodFacts,
  type PodViewContext,
  podStatusOf,
} from './pod-views.js';
import { CallerBackoff } from './restart-backoff.js';

/** Finds pods and containers by what people call them, and says how they are. */
@injectable()
export class PodFinder {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodLocks) private readonly locks: PodLocks,
    @inject(ProbeResults) private readonly probes: ProbeResults,
    @inject(CallerBackoff) private readonly backoff: RestartBackoff,
  ) {}

  async list(filter: PodFilter, options: CallOptions): Promise<readonly PodSummary[]> {
    const [sandboxes, containers] = await Promise.all([
      this.service.listPodSandboxes({}, options),
      this.service.listContainers({}, options),
    ]);
    const context = this.viewContext();
    return groupPodFacts(await this.store.list(), sandboxes, containers)
      .filter((facts) => filter.all === true || isActive(facts, this.backoff))
      .flatMap((facts) => podStatusOf(facts, context) ?? [])
      .filter((pod) => matches(pod, filter))
      .map(toSummary)
      .sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  /** @throws PodwrightError kind `not-found` */
  async status(ref: PodRef, options: CallOptions): Promise<PodStatus> {
    const uid = await this.find(ref, options);
    const facts = uid === undefined ? undefined : await this.facts(uid, options);
    const status = facts && podStatusOf(facts, this.viewContext());
    if (!status) throw notFound(ref);
    return status;
  }

  /** The pod's uid, or undefined when nothing has this name. A uid is taken as it is. */
  async find(ref: PodRef, options: CallOptions): Promise<string | undefined> {
    if ('uid' in ref) return ref.uid;
    const starting = this.locks.findStarting(ref);
    if (starting !== undefined) return starting;
    const { name, namespace = 'default' } = ref;
    const isIt = (pod: { readonly name: string; readonly namespace: string }) =>
      pod.name === name && pod.namespace === namespace;
    const record = (await this.store.list()).find(isIt);
    if (record) return record.uid;
    const sandboxes = await this.service.listPodSandboxes({}, options);
    return sandboxes.find(({ metadata }) => isIt(metadata))?.metadata.uid;
  }

  /**
   * All containers of a container's name, the oldest attempt first; there is at least one.
   * @throws PodwrightError kind `not-found`; `invalid-argument` when there are several and none is named
   */
  async containers(ref: ContainerRef, options: CallOptions): Promise<readonly ContainerStatus[]> {
    const uid = await this.find(ref, options);
    const containers = uid === undefined ? [] : await this.service.listContainers({ podUid: uid }, options);
    const record = uid === undefined ? undefined : await this.store.get(uid);
    if (uid === undefined || (containers.length === 0 && !record)) throw notFound(ref);
    const name = ref.container ?? onlyName(ref, containers, record);
    const attempts = attemptsOf(containers, name);
    if (attempts.length > 0) return attempts;
    const names = namesIn(containers).join(', ') || 'none';
    throw new PodwrightError(
      'not-found',
      `The pod ${describe(ref)} has no container ${name}; it has: ${names}.`,
      { details: { ...ref, container: name } },
    );
  }

  /** The newest attempt of those that `containers` finds. @throws as that */
  async newest(ref: ContainerRef, options: CallOptions): Promise<ContainerStatus> {
    const newest = (await this.containers(ref, callOptionsOf(options))).at(-1);
    if (!newest) throw new PodwrightError('internal', 'A container was found and has no attempt.');
    return newest;
  }

  /** @throws PodwrightError kind `not-found`, `failed-precondition` when the pod does not run */
  async readySandbox(ref: PodRef, options: CallOptions): Promise<PodSandboxStatus> {
    const uid = await this.find(ref, options);
    const facts = uid === undefined ? undefined : await this.facts(uid, options);
    const ready = facts?.sandboxes.find(({ state }) => state === 'ready');
    if (ready) return ready;
    if (!facts?.record && !facts?.sandboxes.length) throw notFound(ref);
    throw new PodwrightError('failed-precondition', `The pod ${describe(ref)} does not run.`, {
      details: { ...ref },
    });
  }

  private async facts(uid: string, options: CallOptions): Promise<PodFacts | undefined> {
    const [sandboxes, containers] = await Promise.all([
      this.service.listPodSandboxes({ podUid: uid }, options),
      this.service.listContainers({ podUid: uid }, options),
    ]);
    const record = await this.store.get(uid);
    return groupPodFacts(record ? [record] : [], sandboxes, containers)[0];
  }

  private viewContext(): PodViewContext {
    return {
      backend: this.service.type,
      probes: this.probes,
      backoff: this.backoff,
    };
  }
}

/** A pod in words, for messages. */
export function describe(ref: PodRef): string {
  return 'uid' in ref ? ref.uid : `${ref.namespace ?? 'default'}/${ref.name}`;
}

function notFound(ref: PodRef): PodwrightError {
  return new PodwrightError(
    'not-found',
    `There is no pod ${describe(ref)}: getPods({all: true}) lists those there are.`,
    { details: { ...ref } },
  );
}

function onlyName(
  ref: PodRef,
  containers: readonly ContainerStatus[],
  record: PodRecord | undefined,
): string {
  const apps = containers.filter((container) => kindOf(container, record) === 'app');
  const names = namesIn(apps.length > 0 ? apps : containers);
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  const message =
    names.length === 0
      ? `The pod ${describe(ref)} has no container yet.`
      : `The pod ${describe(ref)} has several containers, name one of them: ${names.join(', ')}.`;
  throw new PodwrightError(names.length === 0 ? 'not-found' : 'invalid-argument', message, {
    details: { ...ref, containers: names },
  });
}

function namesIn(containers: readonly ContainerStatus[]): readonly string[] {
  return [...new Set(containers.map(({ metadata }) => metadata.name))].sort();
}

function matches(pod: PodSummary, { namespace, labels }: PodFilter): boolean {
  if (namespace !== undefined && pod.namespace !== namespace) return false;
  return hasLabels(pod.labels, labels);
}

function toSummary(status: PodStatus): PodSummary {
  const { manifest: _manifest, sandboxIds: _ids, sandboxReady: _ready, ...summary } = status;
  return summary;
}
