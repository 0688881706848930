import {
  type ContainerStatus,
  messageOf,
  type PodRecord,
  PodStore,
  PodwrightError,
  RuntimeService,
  type StopOptions,
  throwIfAborted,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { PodEventHub, type PodIdentity } from './pod-event-hub.js';
import { kindOf } from './pod-views.js';

/** Kills and removes pods by what the backend has of them; a manifest is not needed. */
@injectable()
export class PodEnder {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodEventHub) private readonly events: PodEventHub,
  ) {}

  /** Ends all containers side by side, so that one grace budget serves them all, then stops the sandbox. */
  async kill(uid: string, options: StopOptions): Promise<void> {
    const record = await this.store.get(uid);
    // Written before anything is stopped: an agent that dies in the middle must not take it for a pod that should run.
    if (record && record.state !== 'killed') await this.store.put({ ...record, state: 'killed' });
    const callOptions = callOptionsOf(options);
    const [sandboxes, containers] = await Promise.all([
      this.service.listPodSandboxes({ podUid: uid }, callOptions),
      this.service.listContainers({ podUid: uid }, callOptions),
    ]);
    const identity = record ?? sandboxes[0]?.metadata;
    const alive = containers.filter(({ state }) => state === 'running' || state === 'waiting');
    const failures = await inParallel(alive, async (container) => {
      if (identity) this.tellKilling({ ...identity, uid }, container, record);
      await this.service.stopContainer(container.id, options);
    });
    throwIfAborted(options.signal);
    // What could not be stopped ends with its sandbox.
    failures.push(...(await inParallel(sandboxes, ({ id }) => this.service.stopPodSandbox(id, callOptions))));
    throwAll(`The pod ${uid} could not be killed`, failures);
  }

  /** Kills it and removes everything that is left of it. */
  async remove(uid: string, options: StopOptions): Promise<void> {
    const killed = await inParallel([uid], () => this.kill(uid, options));
    throwIfAborted(options.signal);
    const callOptions = callOptionsOf(options);
    const sandboxes = await this.service.listPodSandboxes({ podUid: uid }, callOptions);
    const record = await this.store.get(uid);
    const identity = record ?? sandboxes[0]?.metadata;
    const failures = await inParallel(sandboxes, ({ id }) => this.service.removePodSandbox(id, callOptions));
    const strays = await this.service.listContainers({ podUid: uid }, callOptions);
    failures.push(...(await inParallel(strays, ({ id }) => this.service.removeContainer(id, callOptions))));
    // Mounts of a volume have to be gone before it goes, so what is left keeps it.
    throwAll(`The pod ${uid} could not be removed`, failures.length === 0 ? [] : [...killed, ...failures]);
    await this.volumes.tearDown(uid, callOptions);
    await this.store.delete(uid);
    if (identity) this.events.record({ ...identity, uid }, 'Removed', 'The pod was removed.');
  }

  private tellKilling(pod: PodIdentity, container: ContainerStatus, record: PodRecord | undefined): void {
    const { name } = container.metadata;
    this.events.record(pod, 'Killing', `Container ${name} is being ended.`, {
      container: { name, kind: kindOf(container, record) },
    });
  }
}

function callOptionsOf({ signal }: StopOptions): { readonly signal?: AbortSignal } {
  return signal ? { signal } : {};
}

async function inParallel<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<unknown[]> {
  const results = await Promise.allSettled(items.map(action));
  return results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
}

function throwAll(what: string, failures: readonly unknown[]): void {
  const [first] = failures;
  if (first === undefined) return;
  const kind = PodwrightError.is(first) ? first.kind : 'internal';
  throw new PodwrightError(kind, `${what}: ${failures.map(messageOf).join('; ')}`, {
    cause: failures.length === 1 ? first : new AggregateError(failures),
  });
}
