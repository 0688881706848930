import type { UnsupportedField } from '@podwright/core';

/** What the CRI has no word for, and what this host or this runtime lacks. Everything else of the manifest is supported. */
export const unsupportedFields = {
  supervisedRestart: {
    paths: ['ContainerConfig.restart'],
    values: "by: 'backend'",
    missing: 'restarts by the runtime itself: the CRI has none, the caller restarts',
    byHost: false,
    feature: 'supervisedRestart',
  },
  persist: {
    paths: ['RunPodOptions.persist', 'PodSandboxConfig.persist'],
    values: 'true',
    missing: 'pods that come back after a reboot: the CRI has none',
    byHost: false,
    feature: 'persist',
  },
  rlimits: {
    paths: ['ContainerConfig.rlimits'],
    missing: 'resource limits of processes: the CRI has none',
    byHost: false,
  },
  imageVolumes: {
    paths: ['spec.volumes.image'],
    missing: 'images as volumes: this backend does not mount them',
    byHost: false,
  },
  forwardHost: {
    paths: ['PortForwardOptions.host'],
    missing: 'a forwarded port of another address than loopback: the CRI has none',
    byHost: false,
  },
  killCommand: {
    paths: ['ExecSession.kill'],
    missing: 'the end of a command that has streams: the CRI has none',
    byHost: false,
  },
  loadImage: {
    paths: ['ImageService.loadImage'],
    missing: 'images of archives: the CRI has only pulls',
    byHost: false,
  },
  stopSignal: {
    paths: ['spec.containers.lifecycle.stopSignal', 'ContainerConfig.stopSignal'],
    missing: 'a stop signal of the container: a runtime of CRI 1.33 or newer',
    byHost: true,
  },
  nodeProcesses: {
    paths: ['ContainerConfig.pid'],
    values: 'node, in a sandbox of another',
    missing: 'another runtime than containerd, which gives a container the PID namespace of its sandbox',
    byHost: true,
  },
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
    missing: 'user namespaces in the runtime (containerd 2.0, CRI-O 1.25)',
    byHost: true,
    feature: 'userNamespaces',
  },
  recursiveReadOnly: {
    paths: ['spec.containers.volumeMounts.recursiveReadOnly'],
    values: 'Enabled',
    missing: 'recursive read-only mounts in the runtime (containerd 2.0, CRI-O 1.30)',
    byHost: true,
    feature: 'recursiveReadOnly',
  },
  groupsPolicy: {
    paths: ['spec.securityContext.supplementalGroupsPolicy'],
    values: 'Strict',
    missing: 'the policy of supplemental groups in the runtime (containerd 2.0, CRI-O 1.31)',
    byHost: true,
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
    missing: 'the cgroup controller hugetlb',
    byHost: true,
  },
  pidsLimit: {
    paths: ['ContainerResources.pidsLimit'],
    missing: 'the unified cgroup hierarchy (v2)',
    byHost: true,
  },
  swapLimit: {
    paths: ['ContainerResources.swapLimitBytes'],
    missing: 'the unified cgroup hierarchy (v2)',
    byHost: true,
  },
} as const satisfies Record<string, UnsupportedField>;
