import type { UnsupportedField } from '@podwright/core';

/**
 * What is refused where the host lacks something. Everything else of the manifest is supported. The rows on mandatory access
 * control are refused by `accessLabels` of @podwright/oci, which names the same facilities.
 */
export const unsupportedFields = {
  appArmor: {
    paths: ['spec.securityContext.appArmorProfile', 'spec.containers.securityContext.appArmorProfile'],
    values: 'RuntimeDefault, Localhost',
    missing: 'AppArmor',
    byHost: true,
  },
  seLinux: {
    paths: ['spec.securityContext.seLinuxOptions', 'spec.containers.securityContext.seLinuxOptions'],
    missing: 'SELinux',
    byHost: true,
  },
  userNamespaces: {
    paths: ['spec.hostUsers'],
    values: 'false',
    missing: 'Linux 6.3 (idmapped mounts of every volume), user namespaces and crun',
    byHost: true,
    feature: 'userNamespaces',
  },
  recursiveReadOnly: {
    paths: ['spec.containers.volumeMounts.recursiveReadOnly'],
    values: 'Enabled',
    missing: 'Linux 5.12 (mount_setattr)',
    byHost: true,
    feature: 'recursiveReadOnly',
  },
  persist: {
    paths: ['RunPodOptions.persist', 'PodSandboxConfig.persist'],
    values: 'true',
    missing: 'an agent on the host itself, whose command the host runs at boot (restoreCommand)',
    byHost: true,
    feature: 'persist',
  },
  hugePages: {
    paths: [
      'spec.containers.resources.limits.hugepages-2Mi',
      'spec.containers.resources.limits.hugepages-1Gi',
      'spec.containers.resources.requests.hugepages-2Mi',
      'spec.containers.resources.requests.hugepages-1Gi',
      'ContainerResources.hugepageLimits',
    ],
    values: 'more than 0',
    missing: 'a systemd that hands the cgroup controller hugetlb to units',
    byHost: true,
  },
  swapLimit: {
    paths: ['ContainerResources.memorySwapLimitBytes', 'ContainerResources.swapLimitBytes'],
    missing:
      'the unified cgroup hierarchy (v2), a host without swap, or for memorySwapLimitBytes a kernel that counts it',
    byHost: true,
  },
  cpusets: {
    paths: ['ContainerResources.cpusetCpus', 'ContainerResources.cpusetMems'],
    missing: 'the unified cgroup hierarchy (v2)',
    byHost: true,
  },
} as const satisfies Record<string, UnsupportedField>;
