// What runs on the virtual machine when nobody says anything else.

/** The suite, and what depends on cgroups, devices, memory, user namespaces and on systemd's restarts. */
export const FULL = [
  'test/conformance/systemd.spec.ts',
  'test/e2e/confinement.spec.ts',
  'test/e2e/backend-systemd.spec.ts',
  'test/e2e/agent-killed.spec.ts',
  'test/e2e/runc.spec.ts',
];

/** Cases of the suite for every change: few, since one takes seconds; those where cgroups are at work. */
export const SHORT = [
  ...['kernel/exec-in-cgroup', 'kernel/limits', 'kernel/out-of-memory', 'kernel/devices-closed'],
  ...['kernel/nothing-left', 'stop/all-processes', 'restart/always', 'exec/timeout', 'agent-restart/control'],
];

/** For vitest's `--testNamePattern`: titles of cases end with their id. */
export function shortPattern() {
  return `\\[(${SHORT.join('|')})\\]`;
}
