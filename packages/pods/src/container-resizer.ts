import {
  type CallOptions,
  type Container,
  type ContainerResources,
  type ContainerStatus,
  containerResources,
  liftedAmounts,
  mergeResources,
  type Pod,
  type PodRecord,
  PodStore,
  PodwrightError,
  parsePod,
  podResources,
  podResourcesNow,
  RuntimeService,
} from '@podwright/core';
import { inject, injectable } from 'inversify';

/** Changes limits of running containers, and those of their pods with them. */
@injectable()
export class ContainerResizer {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
  ) {}

  /**
   * Changes a container and, as far as a manifest can say it, the pod's manifest. The caller holds the pod's lock.
   * @throws PodwrightError as `RuntimeService.updateContainerResources`
   */
  async change(
    record: PodRecord,
    { id, metadata: { name } }: ContainerStatus,
    change: ContainerResources,
    options: CallOptions,
  ): Promise<void> {
    const manifest = withResources(record.manifest, name, change);
    const container = memberOf(manifest, name);
    if (container === undefined) {
      // Added for debugging: the manifest does not have it.
      await this.service.updateContainerResources(id, change, options);
      return;
    }
    const wanted = mergeResources(change, containerResources(container));
    await this.service.updateContainerResources(id, wanted, options);
    await this.note({ ...record, manifest }, id, containerResources(container));
    await this.resizePod({ ...record, manifest }, options);
  }

  /** Gives a container what its pod's manifest says now. The caller holds the pod's lock. */
  async follow(
    record: PodRecord,
    id: string,
    resources: ContainerResources,
    options: CallOptions,
  ): Promise<void> {
    await this.service.updateContainerResources(id, resources, options);
    await this.note((await this.store.get(record.uid)) ?? record, id, resources);
    await this.resizePod(record, options);
  }

  /** Gives a pod as a whole what its manifest says now. The caller holds the pod's lock. */
  async followPod({ uid }: PodRecord, options: CallOptions): Promise<void> {
    const record = await this.store.get(uid);
    if (record) await this.resizePod(record, options);
  }

  /** What was changed is no difference from the manifest any more. */
  private async note(record: PodRecord, id: string, resources: ContainerResources): Promise<void> {
    const [containers, sandboxes] = await Promise.all([
      this.service.listContainers({ podUid: record.uid }),
      this.service.listPodSandboxes({ podUid: record.uid }),
    ]);
    const alive = new Set([...containers, ...sandboxes].map((each) => each.id));
    const before = (await this.store.get(record.uid))?.resized ?? record.resized ?? {};
    const kept = Object.entries(before).filter(([other]) => alive.has(other));
    await this.store.put({ ...record, resized: { ...Object.fromEntries(kept), [id]: resources } });
  }

  private async resizePod(record: PodRecord, options: CallOptions): Promise<void> {
    const { uid, manifest } = record;
    const resources = podResources(manifest);
    const sandboxes = await this.service.listPodSandboxes({ podUid: uid }, options);
    const ready = sandboxes.find(({ state }) => state === 'ready');
    if (ready === undefined) return;
    const { resized = {} } = (await this.store.get(uid)) ?? record;
    const lift = liftedAmounts(podResourcesNow(ready, resized) ?? {}, resources);
    if (Object.keys(resources).length + lift.length === 0) return;
    await this.service.updatePodSandboxResources(ready.id, resources, { ...options, lift });
    await this.note((await this.store.get(uid)) ?? record, ready.id, resources);
  }
}

/**
 * A manifest with other CPU and memory for one of its containers.
 * @throws PodwrightError kind `invalid-argument` when it would be wrong, as with a request above its limit
 */
export function withResources(pod: Pod, name: string, change: ContainerResources): Pod {
  const { spec } = pod;
  const changed = (containers: readonly Container[]) =>
    containers.map((container) =>
      container.name === name ? { ...container, resources: amounts(container, change) } : container,
    );
  const containers = changed(spec.containers);
  const initContainers = changed(spec.initContainers);
  try {
    return parsePod({ ...pod, spec: { ...spec, containers, initContainers } });
  } catch (error) {
    if (!PodwrightError.is(error, 'invalid-manifest')) throw error;
    throw new PodwrightError('invalid-argument', error.message, { cause: error, details: error.details });
  }
}

function amounts({ resources }: Container, change: ContainerResources): Container['resources'] {
  const cpu = (millis: number | undefined) => (millis === undefined ? {} : { cpu: `${millis}m` });
  const memory = (bytes: number | undefined) => (bytes === undefined ? {} : { memory: String(bytes) });
  return {
    limits: { ...resources.limits, ...cpu(change.cpuLimitMillis), ...memory(change.memoryLimitBytes) },
    requests: {
      ...resources.requests,
      ...cpu(change.cpuRequestMillis),
      ...memory(change.memoryRequestBytes),
    },
  };
}

function memberOf({ spec }: Pod, name: string): Container | undefined {
  return [...spec.containers, ...spec.initContainers].find((container) => container.name === name);
}
