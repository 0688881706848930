import type { Mount } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { invalid, unsupported } from './refusals.js';

const { MountPropagation } = cri;

const PROPAGATIONS: Readonly<Record<cri.MountPropagation, NonNullable<Mount['propagation']>>> = {
  [MountPropagation.PROPAGATION_PRIVATE]: 'private',
  [MountPropagation.PROPAGATION_HOST_TO_CONTAINER]: 'host-to-container',
  [MountPropagation.PROPAGATION_BIDIRECTIONAL]: 'bidirectional',
};

/**
 * A mount of a container. `selinux_relabel` is not taken over: a kubelet sets it for every volume, and it means something
 * only on a host with SELinux, where the files are the operator's to label.
 * @param what the container, for messages
 * @throws PodwrightError kind `invalid-argument`, `unsupported`
 */
export function toMount(mount: cri.Mount, what: string): Mount {
  const { containerPath, hostPath, readonly: readOnly, recursiveReadOnly, uidMappings } = mount;
  const where = `mount at ${containerPath} of ${what}`;
  if (containerPath === '') throw invalid(`A mount of ${what} ("${hostPath}") has no container_path.`);
  checkUnsupported(mount, where);
  if (hostPath === '') throw invalid(`The ${where} has no host_path.`);
  if (recursiveReadOnly && !readOnly) {
    throw invalid(`The ${where} is recursive_read_only, which needs readonly beside it.`);
  }
  const propagation = PROPAGATIONS[mount.propagation];
  if (propagation === undefined) {
    throw invalid(`The ${where} has the propagation ${mount.propagation}, which the CRI does not have.`);
  }
  if (recursiveReadOnly && propagation !== 'private') {
    throw invalid(`The ${where} is recursive_read_only, which needs the propagation to be private.`);
  }
  return {
    hostPath,
    containerPath,
    readOnly,
    ...(recursiveReadOnly ? { recursiveReadOnly } : {}),
    propagation,
    createHostPath: true,
    // The mappings of a mount are those of the pod: the kubelet fills them in from the pod's for every volume.
    ...(uidMappings.length === 0 ? {} : { idMapped: true }),
  };
}

function checkUnsupported(mount: cri.Mount, where: string): void {
  const { image, imageSubPath, mountOptions, uidMappings, gidMappings } = mount;
  if ((image !== undefined && image.image !== '') || imageSubPath !== '') {
    throw unsupported('Mount.image', `The ${where} shows an image, which is not supported: use a volume.`);
  }
  if (mountOptions.length > 0) {
    throw unsupported(
      'Mount.mount_options',
      `The ${where} has mount options (${mountOptions.join(', ')}), which are not supported: leave them out.`,
    );
  }
  const same = (list: readonly cri.IDMapping[]) =>
    JSON.stringify(list.map(({ hostId, containerId, length }) => [hostId, containerId, length]));
  if (same(uidMappings) !== same(gidMappings)) {
    throw unsupported('Mount.gidMappings', `The ${where} maps groups otherwise than users: map both alike.`);
  }
}
