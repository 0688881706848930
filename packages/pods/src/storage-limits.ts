import {
  type Container,
  type ContainerStats,
  isSidecar,
  type Pod,
  quantityBytes,
  type VolumeUsage,
} from '@podwright/core';

/** What a pod has on disk now. */
export interface StorageUsage {
  readonly volumes: readonly VolumeUsage[];
  /** Of its running containers. */
  readonly containers: readonly Pick<ContainerStats, 'name' | 'writableLayer'>[];
}

/** Whether a pod's manifest limits anything that lies on disk. */
export function hasStorageLimits({ spec }: Pod): boolean {
  return (
    spec.volumes.some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined) ||
    [...spec.initContainers, ...spec.containers].some((container) => limitOf(container) !== undefined)
  );
}

/**
 * Why a pod has to be evicted for what it has on disk, in the kubelet's words; undefined when it may stay. An emptyDir is
 * measured against its `sizeLimit`, a container's writable layer against its own limit of `ephemeral-storage`, and all
 * writable layers and emptyDirs on disk together against the sum of those limits. Logs do not count: they are in the
 * host's journal, which has limits of its own.
 * Source: `localStorageEviction` in pkg/kubelet/eviction/eviction_manager.go.
 */
export function evictionMessage(pod: Pod, usage: StorageUsage): string | undefined {
  return overVolume(pod, usage) ?? overPod(pod, usage) ?? overContainer(pod, usage);
}

function overVolume({ spec }: Pod, { volumes }: StorageUsage): string | undefined {
  for (const { name, emptyDir } of spec.volumes) {
    const sizeLimit = emptyDir?.sizeLimit;
    const limit = sizeLimit === undefined ? 0 : quantityBytes(sizeLimit);
    if (limit === 0 || usedBy(volumes, name) <= limit) continue;
    return `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit "${sizeLimit}".`;
  }
  return undefined;
}

function overPod(pod: Pod, { volumes, containers }: StorageUsage): string | undefined {
  const limit = podLimit(pod);
  if (limit === undefined) return undefined;
  const onDisk = pod.spec.volumes.filter(({ emptyDir }) => emptyDir && emptyDir.medium !== 'Memory');
  const used =
    onDisk.reduce((sum, { name }) => sum + usedBy(volumes, name), 0) +
    containers.reduce((sum, { writableLayer }) => sum + writableLayer.usedBytes, 0);
  if (used <= limit) return undefined;
  return `Pod ephemeral local storage usage exceeds the total limit of containers ${limit}.`;
}

function overContainer({ spec }: Pod, { containers }: StorageUsage): string | undefined {
  for (const container of [...spec.initContainers, ...spec.containers]) {
    const limit = limitOf(container);
    const layer = containers.find(({ name }) => name === container.name)?.writableLayer;
    if (limit === undefined || layer === undefined || layer.usedBytes <= limit) continue;
    const quantity = container.resources.limits['ephemeral-storage'];
    return `Container ${container.name} exceeded its local ephemeral storage limit "${quantity}".`;
  }
  return undefined;
}

/** As for CPU and memory: sidecars beside the others, or an init container beside them if that is more. */
function podLimit({ spec }: Pod): number | undefined {
  const all = [...spec.initContainers, ...spec.containers];
  if (all.every((container) => limitOf(container) === undefined)) return undefined;
  let sidecars = 0;
  let largestInit = 0;
  for (const init of spec.initContainers) {
    const own = limitOf(init) ?? 0;
    if (isSidecar(init)) sidecars += own;
    largestInit = Math.max(largestInit, isSidecar(init) ? sidecars : sidecars + own);
  }
  const together = spec.containers.reduce((sum, container) => sum + (limitOf(container) ?? 0), sidecars);
  return Math.max(together, largestInit);
}

function limitOf({ resources }: Container): number | undefined {
  const quantity = resources.limits['ephemeral-storage'];
  return quantity === undefined ? undefined : quantityBytes(quantity) || undefined;
}

function usedBy(volumes: readonly VolumeUsage[], name: string): number {
  return volumes.find((volume) => volume.name === name)?.usedBytes ?? 0;
}
