import {
  Clock,
  type ContainerStatus,
  isSidecar,
  messageOf,
  type PodRecord,
  PodStore,
  PodwrightError,
  RuntimeService,
  throwIfAborted,
  VolumeProvider,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { callOptionsOf } from './call-options-of.js';
import { ContainerStopper, type EndOptions } from './container-stopper.js';
import { ImageUses } from './image-uses.js';
import { withBrokenOff } from './owed-containers.js';
import { PodEventHub } from './pod-event-hub.js';
import { PodImages } from './pod-images.js';

/** Kills and removes pods by what the backend has of them; a manifest is not needed. */
@injectable()
export class PodEnder {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodEventHub) private readonly events: PodEventHub,
    @inject(PodImages) private readonly images: PodImages,
    @inject(ImageUses) private readonly uses: ImageUses,
    @inject(ContainerStopper) private readonly stopper: ContainerStopper,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** Ends all containers of a pod for good, then stops its sandbox. */
  async kill(uid: string, options: EndOptions): Promise<void> {
    const record = await this.store.get(uid);
    // Written before anything is stopped: an agent that dies in the middle must not take it for a pod that should run.
    if (record && record.state !== 'killed') {
      const containers = await this.service.listContainers({ podUid: uid }, callOptionsOf(options));
      await this.store.put({ ...withBrokenOff(record, containers), state: 'killed' });
    }
    await this.stopAll(uid, record, '', options);
  }

  /**
   * Ends what runs of a pod and stops its sandboxes; what the record says of the pod stays. The containers are ended side
   * by side, so that one grace budget serves them all; sidecars after the others, the one started last first, with what
   * is left of it, and at least 2 s unless the call gives less.
   * @param reason a sentence for people
   */
  async stopAll(
    uid: string,
    record: PodRecord | undefined,
    reason: string,
    options: EndOptions,
  ): Promise<void> {
    const callOptions = callOptionsOf(options);
    const [sandboxes, containers] = await Promise.all([
      this.service.listPodSandboxes({ podUid: uid }, callOptions),
      this.service.listContainers({ podUid: uid }, callOptions),
    ]);
    const named = record ?? sandboxes[0]?.metadata;
    const pod = { identity: named && { ...named, uid }, record };
    const alive = containers.filter(({ state }) => state === 'running' || state === 'waiting');
    const sidecars = sidecarsIn(alive, record);
    const sinceMs = this.clock.nowMs();
    const failures = await inParallel(
      alive.filter((container) => !sidecars.includes(container)),
      (container) => this.stopper.stop(pod, container, reason, options),
    );
    for (const container of sidecars) {
      failures.push(
        ...(await inParallel([container], () =>
          this.stopper.stop(pod, container, reason, { ...options, sinceMs }),
        )),
      );
    }
    throwIfAborted(options.signal);
    // What could not be stopped ends with its sandbox.
    failures.push(...(await inParallel(sandboxes, ({ id }) => this.service.stopPodSandbox(id, callOptions))));
    throwAll(`The pod ${uid} could not be killed`, failures);
  }

  /** Kills it and removes everything that is left of it. */
  async remove(uid: string, options: EndOptions): Promise<void> {
    const killed = await inParallel([uid], () => this.kill(uid, options));
    throwIfAborted(options.signal);
    const callOptions = callOptionsOf(options);
    const sandboxes = await this.service.listPodSandboxes({ podUid: uid }, callOptions);
    const record = await this.store.get(uid);
    const identity = record ?? sandboxes[0]?.metadata;
    const containers = await this.service.listContainers({ podUid: uid }, callOptions);
    // Those that the backend cannot show, as their records cannot be read, are told by their containers.
    const ids = new Set([...sandboxes.map(({ id }) => id), ...containers.map(({ sandboxId }) => sandboxId)]);
    const failures = await inParallel([...ids], (id) => this.service.removePodSandbox(id, callOptions));
    const strays = await this.service.listContainers({ podUid: uid }, callOptions);
    failures.push(...(await inParallel(strays, ({ id }) => this.service.removeContainer(id, callOptions))));
    // Mounts of a volume have to be gone before it goes, so what is left keeps it.
    throwAll(`The pod ${uid} could not be removed`, failures.length === 0 ? [] : [...killed, ...failures]);
    for (const { imageId } of containers) this.uses.used(imageId);
    await this.volumes.tearDown(uid, callOptions);
    await this.store.delete(uid);
    this.images.forget(uid);
    if (identity) this.events.record({ ...identity, uid }, 'Removed', 'The pod was removed.');
  }
}

/** Those that are ended last, in the order in which they are ended. */
function sidecarsIn(
  containers: readonly ContainerStatus[],
  record: PodRecord | undefined,
): readonly ContainerStatus[] {
  const order = record?.manifest.spec.initContainers.filter(isSidecar).map(({ name }) => name) ?? [];
  return order.toReversed().flatMap((name) => containers.filter(({ metadata }) => metadata.name === name));
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
