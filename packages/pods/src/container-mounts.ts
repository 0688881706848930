import {
  type Container,
  type EnvVar,
  expandSubPath,
  type Mount,
  type MountPropagation,
  type Pod,
  PodwrightError,
} from '@podwright/core';

type VolumeMount = Container['volumeMounts'][number];

const PROPAGATION: Readonly<Record<VolumeMount['mountPropagation'], MountPropagation>> = {
  None: 'private',
  HostToContainer: 'host-to-container',
  Bidirectional: 'bidirectional',
};

export interface ContainerMountsContext {
  readonly pod: Pod;
  readonly container: Container;
  /** The path on the backend's host for each volume, of `VolumeProvider.setUp`. */
  readonly volumePaths: ReadonlyMap<string, string>;
  /** The container's variables, for `subPathExpr`. */
  readonly env: readonly EnvVar[];
  /** Of the backend's features. */
  readonly recursiveReadOnly: boolean;
}

/**
 * A container's mounts in the order of its manifest. Volumes whose content the manifest decides are read-only, as in
 * Kubernetes: what a container wrote there would be lost with the next update.
 * @throws PodwrightError kind `internal` when the provider left a volume out, `unsupported` for a recursively read-only
 *   mount that the backend cannot make, and as `expandSubPath`
 */
export function containerMounts(context: ContainerMountsContext): readonly Mount[] {
  return context.container.volumeMounts.map((mount) => {
    const { name, mountPath, mountPropagation } = mount;
    const hostPath = context.volumePaths.get(name);
    if (hostPath === undefined) {
      throw new PodwrightError(
        'internal',
        `The volume provider gave no path for the volume ${name}: a provider has to give one for every volume of the pod.`,
        { details: { volume: name } },
      );
    }
    const subPath = mount.subPathExpr === '' ? mount.subPath : expandSubPath(mount.subPathExpr, context.env);
    return {
      hostPath,
      containerPath: mountPath,
      readOnly: mount.readOnly || isOnlyRead(context.pod, name),
      ...(isRecursive(mount, context) ? { recursiveReadOnly: true } : {}),
      propagation: PROPAGATION[mountPropagation],
      ...(subPath === '' ? {} : { subPath }),
      // Whose a file is in a volume does not depend on the ids that a pod happens to have on the host.
      ...(context.pod.spec.hostUsers ? {} : { idMapped: true }),
    };
  });
}

function isOnlyRead({ spec }: Pod, name: string): boolean {
  const volume = spec.volumes.find((candidate) => candidate.name === name);
  const { configMap, secret, projected, downwardAPI, image } = volume ?? {};
  return [configMap, secret, projected, downwardAPI, image].some((source) => source !== undefined);
}

function isRecursive(
  { name, recursiveReadOnly }: VolumeMount,
  { container, recursiveReadOnly: isPossible }: ContainerMountsContext,
): boolean {
  if (recursiveReadOnly === 'Disabled') return false;
  if (isPossible || recursiveReadOnly === 'IfPossible') return isPossible;
  throw new PodwrightError(
    'unsupported',
    `The volume ${name} is to be read-only in container ${container.name} with all that is mounted below it ` +
      '(recursiveReadOnly: Enabled), which this backend cannot do here: use IfPossible, or leave it out.',
    { details: { container: container.name, volume: name } },
  );
}
