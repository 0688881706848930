// What runs on the virtual machine when nobody says anything else.

/**
 * The suite, with both exec handlers, and what depends on cgroups, devices, memory, user namespaces, volumes mounted by
 * units, and on what systemd does by itself: finding main processes, restarts, stops; and the CRI server in front of it all,
 * to which kubelets speak in other words there. Debian's kernel there is too old for users of a pod's own
 * (test/old-kernel.ts): that they are refused is tested.
 */
export const FULL = [
  'test/conformance/systemd.spec.ts',
  'test/conformance/systemd-nsenter.spec.ts',
  ...[
    ...['agent-killed', 'agent-killed-starting', 'backend-systemd', 'confinement', 'cri-needs', 'cri-usage'],
    ...['cri/containers', 'cri/exec-sync', 'cri/kubelet-pod', 'cri/logs', 'cri/namespaces', 'cri/resources'],
    ...['exit-codes', 'resources', 'runc', 'security', 'streams', 'systemd', 'volumes'],
  ].map((name) => `test/e2e/${name}.spec.ts`),
];

/** What runs of the conformance suite for every change: few, since one takes seconds; where cgroups and units are at work. */
const SHORT_CASES = [
  ...['kernel/exec-in-cgroup', 'kernel/limits', 'kernel/out-of-memory', 'kernel/devices-closed'],
  ...['kernel/nothing-left', 'stop/all-processes', 'restart/always', 'restart/on-failure'],
  ...['resources/update-kernel', 'users/refused-or-had', 'security/shared-processes'],
];

/** And of the CRI server: pods as a kubelet has them run. */
const SHORT_TESTS = 'a burstable pod of a kubelet';

export const SHORT_FILES = ['test/conformance/systemd.spec.ts', 'test/e2e/cri/kubelet-pod.spec.ts'];

/** For vitest's `--testNamePattern`: titles of cases end with their id. */
export function shortPattern() {
  return `\\[(${SHORT_CASES.join('|')})\\]|${SHORT_TESTS}`;
}
