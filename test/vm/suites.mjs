// What runs on the virtual machine when nobody says anything else.

/** The suite, and what depends on cgroups, devices, memory, user namespaces and on systemd's restarts. */
export const FULL = [
  'test/conformance/systemd.spec.ts',
  'test/e2e/confinement.spec.ts',
  'test/e2e/backend-systemd.spec.ts',
  'test/e2e/agent-killed.spec.ts',
  'test/e2e/runc.spec.ts',
];

/** Cases of the suite for every change: where cgroups are at work, and one of each other thing. */
export const SHORT = [
  ...['kernel/exec-in-cgroup', 'kernel/limits', 'kernel/out-of-memory', 'kernel/devices-closed'],
  ...['kernel/seccomp', 'kernel/nothing-left', 'container/exit-codes', 'stop/handled', 'stop/ignored'],
  ...['stop/all-processes', 'restart/always', 'restart/stop-means-stop', 'logs/order', 'exec/timeout'],
  ...['network/host-port', 'mounts/shared', 'images/pull', 'pods/run', 'agent-restart/control'],
];

/** For vitest's `--testNamePattern`: titles of cases end with their id. */
export function shortPattern() {
  return `\\[(${SHORT.join('|')})\\]`;
}
