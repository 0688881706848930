import { type Container, type Mount, type MountPropagation, PodwrightError } from '@podwright/core';

const PROPAGATION: Readonly<Record<Container['volumeMounts'][number]['mountPropagation'], MountPropagation>> =
  {
    None: 'private',
    HostToContainer: 'host-to-container',
    Bidirectional: 'bidirectional',
  };

/**
 * A container's mounts in the order of its manifest.
 * @param volumePaths the path on the backend's host for each volume, of `VolumeProvider.setUp`
 * @throws PodwrightError kind `internal` when the provider left a volume out
 */
export function containerMounts(
  container: Container,
  volumePaths: ReadonlyMap<string, string>,
): readonly Mount[] {
  return container.volumeMounts.map(({ name, mountPath, readOnly, mountPropagation }) => {
    const hostPath = volumePaths.get(name);
    if (hostPath === undefined) {
      throw new PodwrightError(
        'internal',
        `The volume provider gave no path for the volume ${name}: a provider has to give one for every volume of the pod.`,
        { details: { volume: name } },
      );
    }
    return {
      hostPath,
      containerPath: mountPath,
      readOnly,
      propagation: PROPAGATION[mountPropagation],
    };
  });
}
