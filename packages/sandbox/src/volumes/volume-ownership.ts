import type { Pod } from '@podwright/core';

/** Who owns what is made for a pod. */
export interface VolumeOwnership {
  readonly uid: number;
  readonly gid: number;
  /** The pod has an fsGroup: its group may do what the owner may, and what is made there belongs to the group. */
  readonly shared: boolean;
}

const SETGID = 0o2000;

/** Root and the pod's fsGroup. Ids are those that the containers see: what is mounted in a user namespace is shown with them. */
export function volumeOwnership(pod: Pod): VolumeOwnership {
  const { fsGroup } = pod.spec.securityContext;
  return {
    uid: 0,
    gid: fsGroup ?? 0,
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
