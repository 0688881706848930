import type { UnsupportedField } from '@podwright/core';

function refused<const Row extends Omit<UnsupportedField, 'byHost'>>(
  row: Row,
): Row & { readonly byHost: false } {
  return { ...row, byHost: false };
}

/** What would change what a container sees, and is not simulated. It is refused by these rows (pod/unsupported.ts). */
export const unsupportedFields = {
  nodeProcesses: refused({
    paths: ['spec.hostPID'],
    values: 'true',
    missing: "a simulation of the node's processes",
  }),
  userNamespaces: refused({
    paths: ['spec.hostUsers'],
    values: 'false',
    missing: "a simulation of users of a pod's own",
    feature: 'userNamespaces',
  }),
  appArmor: refused({
    paths: ['spec.securityContext.appArmorProfile', 'spec.containers.securityContext.appArmorProfile'],
    values: 'RuntimeDefault, Localhost',
    missing: 'a simulation of AppArmor',
  }),
  seLinux: refused({
    paths: ['spec.securityContext.seLinuxOptions', 'spec.containers.securityContext.seLinuxOptions'],
    missing: 'a simulation of SELinux',
  }),
  propagation: refused({
    paths: ['spec.containers.volumeMounts.mountPropagation'],
    values: 'Bidirectional',
    missing: 'a simulation of mounts that reach the host',
  }),
  devices: refused({
    paths: ['ContainerConfig.devices'],
    missing: 'a simulation of devices',
  }),
  specialFiles: refused({
    paths: ['spec.volumes.hostPath.type'],
    values: 'Socket, CharDevice, BlockDevice',
    missing: 'a simulation of sockets and devices as files',
  }),
} as const satisfies Record<string, UnsupportedField>;

/**
 * What only a kernel enforces: it is taken, and reported as given, and has no effect (`features.kernel` is false).
 * Paths as `manifestFields()` names them; what is below them has none either.
 */
export const unenforcedFields: readonly string[] = [
  'ContainerResources',
  'PodSandboxConfig.cgroupParent',
  'spec.hostIPC',
  'spec.overhead',
  'spec.resources',
  'spec.shareProcessNamespace',
  'spec.securityContext.fsGroup',
  'spec.securityContext.fsGroupChangePolicy',
  'spec.securityContext.seccompProfile',
  'spec.containers.resources.limits.cpu',
  'spec.containers.resources.limits.hugepages-1Gi',
  'spec.containers.resources.limits.hugepages-2Mi',
  'spec.containers.resources.limits.memory',
  'spec.containers.resources.requests',
  'spec.containers.securityContext.allowPrivilegeEscalation',
  'spec.containers.securityContext.capabilities',
  'spec.containers.securityContext.privileged',
  'spec.containers.securityContext.procMount',
  'spec.containers.securityContext.seccompProfile',
  'spec.volumes.configMap.defaultMode',
  'spec.volumes.configMap.items.mode',
  'spec.volumes.downwardAPI.defaultMode',
  'spec.volumes.downwardAPI.items.mode',
  'spec.volumes.emptyDir.medium',
  'spec.volumes.projected.defaultMode',
  'spec.volumes.projected.sources.configMap.items.mode',
  'spec.volumes.projected.sources.downwardAPI.items.mode',
  'spec.volumes.projected.sources.secret.items.mode',
  'spec.volumes.secret.defaultMode',
  'spec.volumes.secret.items.mode',
];
