// What runs on virtual machines when nobody says anything else.

const SUITE = 'test/conformance/systemd.spec.ts';
const SUITE_NSENTER = 'test/conformance/systemd-nsenter.spec.ts';

/**
 * What depends on cgroups, devices, memory, user namespaces, volumes mounted by units, and on what systemd does by itself:
 * finding main processes, restarts, stops; and the CRI server in front of it all, to which kubelets speak in other words there.
 */
const OTHERS = [
  SUITE_NSENTER,
  ...[
    ...['agent-killed', 'agent-killed-starting', 'backend-systemd', 'confinement', 'cri-needs', 'cri-usage'],
    ...['cri/containers', 'cri/exec-sync', 'cri/kubelet-pod', 'cri/logs', 'cri/namespaces', 'cri/resources'],
    ...['exit-codes', 'resources', 'runc', 'security', 'streams', 'systemd', 'volumes'],
  ].map((name) => `test/e2e/${name}.spec.ts`),
];

const USERS_CASES = ['users/[^\\]]+', 'exec-handler/own-users', 'kubelet/(ids|ids-refused|volume-ids)'];
const USERS_TESTS = ['users of the pod’s own', 'users of a pod of its own'];

/** Pods with users of their own, for vitest's `--testNamePattern`: titles of cases end with their id. */
export const USERS_PATTERN = `\\[(${USERS_CASES.join('|')})\\]|${USERS_TESTS.join('|')}`;

/**
 * The whole, by machine. The last one has the newer kernel of Debian's backports: for users of a pod's own the release's is too
 * old (test/old-kernel.ts; that they are refused there is tested).
 */
export const MACHINES = [
  // In two halves of about the same length, by the names of their sections, as titles of cases end with `[section/case]`.
  { name: 'suite, a-m', kernel: 'own', files: [SUITE], pattern: '\\[[a-m][a-z-]*/' },
  { name: 'suite, n-z', kernel: 'own', files: [SUITE], pattern: '\\[[n-z][a-z-]*/' },
  { name: 'others', kernel: 'own', files: OTHERS },
  {
    ...{ name: 'users', kernel: 'backports', pattern: USERS_PATTERN },
    files: [SUITE, SUITE_NSENTER, 'test/e2e/security.spec.ts', 'test/e2e/cri/namespaces.spec.ts'],
  },
];

/** What runs of the conformance suite for every change: few, since one takes seconds; where cgroups and units are at work. */
const SHORT_CASES = [
  ...['kernel/exec-in-cgroup', 'kernel/limits', 'kernel/out-of-memory', 'kernel/devices-closed'],
  ...['kernel/nothing-left', 'stop/all-processes', 'restart/always', 'restart/on-failure'],
  ...['resources/update-kernel', 'users/refused-or-had', 'security/shared-processes'],
];

/** And of the CRI server: pods as a kubelet has them run. */
const SHORT_TESTS = 'a burstable pod of a kubelet';

/** The choice for every change. */
export const SHORT = {
  ...{ name: 'v2', kernel: 'own', pattern: `\\[(${SHORT_CASES.join('|')})\\]|${SHORT_TESTS}` },
  files: [SUITE, 'test/e2e/cri/kubelet-pod.spec.ts'],
};
