// Of the others: what their documentation or source says, named in the notes. "–" is what those do not tell.

/** One thing that an agent's author looks for. */
export interface ComparisonRow {
  readonly what: string;
  /** What Podwright does, on systemd. */
  readonly how: string;
  /** Our operations or fields of the manifest behind it; they have to exist. */
  readonly by: readonly string[];
  /** In the order of `products`. */
  readonly others: readonly [string, string, string, string];
}

export const products = ["rkt's Kubernetes runtime", 'rktlet', 'systemk', 'podman'] as const;

export const comparisonNotes = [
  'Only the others’ own words: the "Known Issues when Using rkt" of Kubernetes 1.8 and its pkg/kubelet/rkt; docs/features.md of',
  'rktlet; the README of systemk; docs/kubernetes_support.md (fields of `podman kube play`) and the manual of podman.',
  '"–" is what those do not tell. "kubelet": done above the runtime, by the kubelet that it served.',
].join('\n');

const KUBELET = 'kubelet';

export const comparison: readonly ComparisonRow[] = [
  {
    what: 'who runs a pod',
    how: 'systemd: a unit for each container',
    by: ['runPod'],
    others: [
      'systemd: a unit for each pod, which runs rkt',
      'rkt',
      'systemd: a unit for each container',
      'conmon for each container',
    ],
  },
  {
    what: 'images',
    how: 'OCI and docker, from registries, archives and directories',
    by: ['pullImage', 'loadImage'],
    others: [
      'docker, fetched by rkt',
      '–',
      'packages of the distribution, or a program of the host',
      'OCI and docker, from registries, archives and directories',
    ],
  },
  {
    what: "a pod's own network",
    how: 'CNI, both address families, several networks, bandwidth',
    by: ['runPodSandbox', 'spec.hostNetwork'],
    others: ['–', 'CNI 0.3.0', 'no: the network of the host', 'netavark'],
  },
  {
    what: 'a changed manifest',
    how: 'what changed is restarted, the rest runs on',
    by: ['syncPod'],
    others: [
      'the whole pod is restarted',
      KUBELET,
      '–',
      '`kube play --replace` removes the pod and makes it anew',
    ],
  },
  {
    what: 'limits changed live',
    how: 'yes',
    by: ['updateContainerResources', 'updatePodSandboxResources'],
    others: ['–', '–', '–', '`podman update`'],
  },
  {
    what: 'init containers',
    how: 'yes, and sidecars',
    by: ['spec.initContainers', 'spec.initContainers.restartPolicy'],
    others: ['no', KUBELET, 'yes', 'yes'],
  },
  {
    what: 'growing delay of restarts',
    how: '10 s to 5 min, by systemd, also while no agent lives; by the agent for what has a liveness or startup probe or postStart',
    by: ['spec.restartPolicy'],
    others: ['no', KUBELET, '–', '–'],
  },
  {
    what: 'after a reboot of the host',
    how: 'pods of `persist: true` come back before any agent',
    by: ['RunPodOptions.persist'],
    others: [KUBELET, KUBELET, '–', '`podman-restart.service`, or Quadlet units'],
  },
  {
    what: 'logs',
    how: 'journal: follow, tail, since, until, previous, cursor',
    by: ['getContainerLogs', 'containerLogs'],
    others: ['journal; not of programs that open /dev/stdout', 'yes', 'journal', 'journal or files'],
  },
  {
    what: 'exec',
    how: 'by the OCI runtime, or by PID (`execHandler`)',
    by: ['execInContainer', 'runInContainer'],
    others: ['`rkt enter`', 'yes', '–', '`podman exec`'],
  },
  {
    what: 'attach',
    how: 'yes, with stdin, stdinOnce, terminal, detach keys',
    by: ['attachContainer', 'spec.containers.stdinOnce', 'spec.containers.tty'],
    others: ['no', 'no', '–', '`podman attach`'],
  },
  {
    what: 'port-forward',
    how: 'yes',
    by: ['portForward'],
    others: ['yes, but for the stage1 kvm and fly', 'no', '–', 'no; ports are published'],
  },
  {
    what: 'containers added for debugging',
    how: 'yes, also into the process namespace of another',
    by: ['runEphemeralContainer'],
    others: ['–', '–', '–', '–'],
  },
  {
    what: 'probes',
    how: 'liveness, readiness, startup; exec, HTTP, TCP, gRPC; by a living agent',
    by: [
      'spec.containers.livenessProbe.grpc',
      'spec.containers.readinessProbe',
      'spec.containers.startupProbe',
    ],
    others: [KUBELET, KUBELET, '–', 'liveness'],
  },
  {
    what: 'hooks',
    how: 'postStart, preStop; by a living agent',
    by: ['spec.containers.lifecycle.postStart', 'spec.containers.lifecycle.preStop'],
    others: [KUBELET, KUBELET, '–', 'no'],
  },
  {
    what: 'termination messages',
    how: 'yes, with FallbackToLogsOnError',
    by: ['spec.containers.terminationMessagePath', 'spec.containers.terminationMessagePolicy'],
    others: ['–', '–', '–', 'no'],
  },
  {
    what: 'activeDeadlineSeconds',
    how: 'yes',
    by: ['spec.activeDeadlineSeconds'],
    others: [KUBELET, KUBELET, '–', 'no'],
  },
  {
    what: 'ConfigMaps and Secrets as volumes',
    how: 'yes; new content all at once while the pod runs',
    by: ['updateObjects', 'spec.volumes.configMap', 'spec.volumes.secret'],
    others: [KUBELET, KUBELET, 'yes; new content while the pod runs', 'yes'],
  },
  {
    what: 'subPathExpr, mount propagation',
    how: 'yes',
    by: ['spec.containers.volumeMounts.subPathExpr', 'spec.containers.volumeMounts.mountPropagation'],
    others: ['–', '–', '–', 'no'],
  },
  {
    what: 'fsGroup',
    how: 'yes',
    by: ['spec.securityContext.fsGroup'],
    others: ['–', '–', '–', 'no'],
  },
  {
    what: 'seccomp profiles of the manifest',
    how: 'RuntimeDefault, Localhost, Unconfined',
    by: ['spec.containers.securityContext.seccompProfile'],
    others: ['–', 'all but Localhost', '–', 'no'],
  },
  {
    what: 'SELinux options',
    how: 'on hosts that have it',
    by: ['spec.containers.securityContext.seLinuxOptions'],
    others: ['–', 'no', '–', 'yes'],
  },
  {
    what: 'OOM scores by quality of service',
    how: 'yes',
    by: ['spec.containers.resources.requests.memory'],
    others: ['no', '–', '–', '–'],
  },
  {
    what: "a pod's users apart from the host's",
    how: '`hostUsers: false`, from Linux 6.3',
    by: ['spec.hostUsers'],
    others: ['–', '–', '–', '`kube play --userns`'],
  },
  {
    what: 'statistics',
    how: 'per container and pod, once or at an interval',
    by: ['stats', 'watchStats'],
    others: ['–', '–', '–', '`podman stats`'],
  },
  {
    what: 'stand-in for tests',
    how: 'the memory backend, by the same conformance suite',
    by: ['runPod'],
    others: ['–', '–', '–', '–'],
  },
];
