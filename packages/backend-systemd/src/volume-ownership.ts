import { type IdMapping, type Pod, PodwrightError } from '@podwright/core';

/** Who owns what is made for a pod, as the host counts ids. */
export interface VolumeOwnership {
  readonly uid: number;
  readonly gid: number;
  /** The pod has an fsGroup: its group may do what the owner may, and what is made there belongs to the group. */
  readonly shared: boolean;
}

const SETGID = 0o2000;

/**
 * Root of the pod, which may be somebody else on the host, and its fsGroup.
 * @throws PodwrightError kind `invalid-argument` for an fsGroup that the pod's user namespace does not have
 */
export function volumeOwnership(pod: Pod, idMappings: readonly IdMapping[] = []): VolumeOwnership {
  const { fsGroup } = pod.spec.securityContext;
  return {
    uid: hostIdOf(0, idMappings, 'user'),
    gid: hostIdOf(fsGroup ?? 0, idMappings, 'group'),
    shared: fsGroup !== undefined,
  };
}

/** Mode of a directory that the pod writes to. Everybody in the pod may, as in Kubernetes. */
export function writableMode({ shared }: VolumeOwnership): number {
  return shared ? 0o777 | SETGID : 0o777;
}

/** Mode of a directory that is only read. */
export function directoryMode({ shared }: VolumeOwnership): number {
  return shared ? 0o755 | SETGID : 0o755;
}

/** Mode of a file that is only read: the group may read what the owner may. @see kubelet, SetVolumeOwnership */
export function fileMode(mode: number, { shared }: VolumeOwnership): number {
  return shared ? mode | 0o440 : mode;
}

function hostIdOf(id: number, mappings: readonly IdMapping[], what: string): number {
  if (mappings.length === 0) return id;
  const found = mappings.find(({ containerId, size }) => id >= containerId && id < containerId + size);
  if (found !== undefined) return found.hostId + (id - found.containerId);
  throw new PodwrightError(
    'invalid-argument',
    `The ${what} ${id} is none of the pod's user namespace: choose a lower one, or use the host's users.`,
    { details: { id } },
  );
}
