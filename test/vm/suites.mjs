// What runs on the virtual machine when nobody says anything else.

/**
 * The suite, with both exec handlers, and what depends on cgroups, devices, memory, user namespaces, volumes mounted by
 * units, and on what systemd does by itself: finding main processes, restarts, stops. Debian's kernel there is too old for
 * users of a pod's own (test/old-kernel.ts): that they are refused is tested.
 */
export const FULL = [
  'test/conformance/systemd.spec.ts',
  'test/conformance/systemd-nsenter.spec.ts',
  ...[
    ...['agent-killed', 'agent-killed-starting', 'backend-systemd', 'confinement', 'exit-codes', 'resources'],
    ...['runc', 'security', 'streams', 'systemd', 'volumes'],
  ].map((name) => `test/e2e/${name}.spec.ts`),
];

/** Cases of the suite for every change: few, since one takes seconds; those where cgroups and units are at work. */
export const SHORT = [
  ...['kernel/exec-in-cgroup', 'kernel/limits', 'kernel/out-of-memory', 'kernel/devices-closed'],
  ...['kernel/nothing-left', 'stop/all-processes', 'restart/always', 'restart/on-failure'],
  ...['resources/update-kernel', 'users/refused-or-had', 'security/shared-processes'],
];

/** For vitest's `--testNamePattern`: titles of cases end with their id. */
export function shortPattern() {
  return `\\[(${SHORT.join('|')})\\]`;
}
