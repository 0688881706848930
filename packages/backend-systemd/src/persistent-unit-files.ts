import {
  escapeSpecifiers,
  escapeUnitName,
  formatExecCommand,
  formatUnitFile,
  type UnitProperty,
  unitFileOf,
} from '@podwright/systemd';

/** Time between two tries to bring a pod back. */
const RETRY_SECONDS = 20;
const HEAD = '# Written by Podwright; changes are lost.\n';

/** Name of the unit that brings a pod back after a reboot. */
export function restoreUnitName(podUid: string): string {
  return `podwright-pod-${escapeUnitName(podUid)}-sandbox.service`;
}

/** Names of such units, as a shell pattern. */
export const RESTORE_UNITS = 'podwright-pod-*-sandbox.service';

/** Unit file that makes a pod's sandbox anew, runs its init containers, and ends before its containers start. */
export function restoreUnitFile(pod: {
  readonly uid: string;
  /** `namespace/name`. */
  readonly name: string;
  readonly stateDir: string;
  /** Program and arguments; the uid comes last. */
  readonly command: readonly string[];
}): string {
  const argv = [...pod.command, pod.uid];
  const [path = ''] = argv;
  const entries = (values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([key, value]) => ({ key, value }));
  return `${HEAD}${formatUnitFile([
    {
      name: 'Unit',
      entries: entries({
        Description: escapeSpecifiers(`podwright pod ${pod.name}: back after a reboot`),
        // The network as the host has it then: a pod's own is made of bridges, and needs no carrier.
        After: 'local-fs.target network.target network-online.target dbus.service',
        Wants: 'dbus.service',
        // It is tried until it is done: what was in the way may go.
        StartLimitIntervalSec: '0',
      }),
    },
    {
      name: 'Service',
      entries: entries({
        Type: 'oneshot',
        RemainAfterExit: 'yes',
        WorkingDirectory: escapeSpecifiers(pod.stateDir),
        // An init container may take any time, as at the first start.
        TimeoutStartSec: 'infinity',
        Restart: 'on-failure',
        RestartSec: `${RETRY_SECONDS}s`,
        // What it started lives in units of its own.
        KillMode: 'mixed',
        ExecStart: formatExecCommand({ path, argv, flags: ['no-env-expand'] }),
      }),
    },
    { name: 'Install', entries: entries({ WantedBy: 'multi-user.target' }) },
  ])}`;
}

/**
 * Unit file of a container, with what its transient unit would have, and its place after a reboot: after the pod's
 * sandbox, and only where that was made and lets it start.
 * @param needed directory without which it is not started
 */
export function containerUnitFile(
  properties: readonly UnitProperty[],
  { podUid, needed }: { readonly podUid: string; readonly needed: string },
): string {
  const restore = restoreUnitName(podUid);
  const [unit, service] = unitFileOf('Service', properties);
  const place = [
    { key: 'After', value: escapeSpecifiers(restore) },
    { key: 'ConditionPathIsDirectory', value: escapeSpecifiers(needed) },
  ];
  return `${HEAD}${formatUnitFile([
    { name: 'Unit', entries: [...(unit?.entries ?? []), ...place] },
    { name: 'Service', entries: service?.entries ?? [] },
    { name: 'Install', entries: [{ key: 'WantedBy', value: escapeSpecifiers(restore) }] },
  ])}`;
}
