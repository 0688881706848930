import { defineConformance } from '@podwright/conformance';
import { Containerd } from '../e2e/support/containerd.js';
import { slowness } from '../slowness.js';
import { createCriTarget } from './cri-target.js';

const IMAGE_VOLUMES = 'the CRI has images as volumes from Kubernetes 1.31 on';
const LOADING = 'the CRI has only pulls, no loading of archives';
const SIZES = 'a size has no answer in the streaming protocol, and containerd takes it in beside the input';
const PIDS = 'the CRI can limit processes on the unified cgroup hierarchy (v2) only';
const METRICS = 'containerd 1.6 has no metrics';
const POD_LIMITS = 'the CRI leaves the limits of a whole pod to its client, who makes its control group';
const STOP_SIGNAL = 'the CRI has stop signals of containers from Kubernetes 1.33 on';
const GROUPS_POLICY = 'containerd has supplementalGroupsPolicy from 2.0 on';

defineConformance({
  name: 'cri over containerd 1.6',
  createTarget: async () => createCriTarget(await Containerd.start()),
  caseTimeoutMs: 60_000 * slowness,
  lacks: {
    supervisedRestart: 'the CRI has no restarts: the caller restarts',
    userNamespaces: 'containerd has them from 2.0 on',
    recursiveReadOnly: 'containerd has them from 2.0 on',
    persist: 'the CRI has no pods that come back after a reboot',
    execRefusal: 'the exec handler oci leaves nothing out',
  },
  unsupported: {
    'stop/own-signal': STOP_SIGNAL,
    'lifecycle/stop-signal': STOP_SIGNAL,
    'exec/timeout': 'containerd 1.6 kills the command at its time, and not its children',
    'exec/terminal': SIZES,
    'exec/resize': SIZES,
    'attach/terminal': SIZES,
    'exec/kill': 'the CRI cannot end a command that was started with streams',
    'exec-handler/resource-limits': 'the CRI has no resource limits of processes',
    'volumes/image-volume': IMAGE_VOLUMES,
    'volumes/image-volume-changed': IMAGE_VOLUMES,
    'images/load': LOADING,
    'images/load-oci': LOADING,
    'images/load-wrong': LOADING,
    'pods/runtime-images': LOADING,
    'resources/update': PIDS,
    'resources/update-kernel': PIDS,
    'kernel/limits': PIDS,
    'kubelet/resources': PIDS,
    'resources/update-sandbox': POD_LIMITS,
    'resources/update-pod': POD_LIMITS,
    'resources/sync-resize': POD_LIMITS,
    'resources/update-pod-wrong': POD_LIMITS,
    'resources/sync-resize-pod': POD_LIMITS,
    'resources/sync-lift-pod': POD_LIMITS,
    'stats/detail': METRICS,
    'stats/detail-pod': METRICS,
    'stats/network':
      'containerd 1.6 knows what a pod uses only where its client has made a control group of it',
    'kernel/no-host-mounts': 'containerd mounts root file systems on the host',
    'kubelet/pid-node': 'containerd gives a container the PID namespace of its sandbox',
    'security/groups-strict': GROUPS_POLICY,
    'security/pod-groups-strict': GROUPS_POLICY,
  },
});
