import { type ExecCommand, type UnitProperty, unitProperty } from '@podwright/systemd';
import type { ContainerRecord } from './container-record.js';
import { ACCOUNTING, type CgroupVersion, containerProperties } from './container-resources.js';
import type { ContainerPaths } from './host-layout.js';

/** Programs that the unit runs, by their paths on the host. */
export interface UnitPrograms {
  readonly sh: string;
  readonly unshare: string;
}

/** Signals that conmon forwards to the container when it gets them; see conmon's on_sig_exit. */
const FORWARDED: ReadonlyMap<string, number> = new Map([
  ['TERM', 15],
  ['INT', 2],
  ['QUIT', 3],
]);
const MICROSECONDS_PER_MS = 1000;
/**
 * systemd's time to kill a container goes beyond its grace, for it is the time of the record script as well, which takes long
 * where the host is busy: one that is killed leaves no exit code. Whoever stops a container kills it when the grace is over;
 * this is for a stop that the agent does not see to its end.
 */
const STOP_MARGIN_MS = 20_000;

/**
 * The properties of a container's transient unit.
 *
 * No secret may stand here: every user of the host can read them. Journal limits: 0 means "not set" to systemd 252, so
 * the burst is made so high that no container reaches it in a second.
 */
export function containerUnit(
  record: ContainerRecord,
  paths: ContainerPaths,
  programs: UnitPrograms,
  podName: string,
  cgroupVersion: CgroupVersion,
): readonly UnitProperty[] {
  const { config } = record;
  const graceMs = config.terminationGraceMs;
  const signal = FORWARDED.get(record.stopSignal);
  return [
    unitProperty('Description', `podwright container ${podName}/${config.metadata.name}`),
    unitProperty('Slice', record.slice),
    unitProperty('Type', 'forking'),
    // The launch script tells that conmon is the main process; a guess is what is left should that not get there.
    // docs/decisions/0003.
    unitProperty('NotifyAccess', 'all'),
    unitProperty('GuessMainPID', true),
    unitProperty('WorkingDirectory', paths.state),
    // For AttachProcessesToUnit; no controllers beyond those that limits need, since nobody makes a cgroup below.
    unitProperty('DelegateControllers', []),
    unitProperty('CollectMode', 'inactive-or-failed'),
    unitProperty('OOMPolicy', 'continue'),
    unitProperty('KillMode', 'mixed'),
    unitProperty('KillSignal', signal ?? 15),
    unitProperty('SendSIGKILL', true),
    // The launch script waits the back-off, and conmon tells when it fails: there is no time after which it hangs.
    unitProperty('TimeoutStartUSec', 'infinity'),
    unitProperty('TimeoutStopUSec', (graceMs + STOP_MARGIN_MS) * MICROSECONDS_PER_MS),
    ...restartProperties(record),
    unitProperty('LogRateLimitIntervalUSec', 1_000_000),
    unitProperty('LogRateLimitBurst', 100_000_000),
    unitProperty('DevicePolicy', 'closed'),
    unitProperty('DeviceAllow', record.deviceAllow),
    ...ACCOUNTING,
    // Without a limit of its own, systemd gives a unit a share of the host's.
    ...(config.resources.pidsLimit === undefined ? [unitProperty('TasksMax', 'infinity')] : []),
    ...containerProperties(config.resources, cgroupVersion),
    unitProperty('ExecStartEx', [
      exec(programs.unshare, ['-m', '--propagation', 'unchanged', '--', programs.sh, paths.launchScript]),
    ]),
    ...(signal === undefined ? [unitProperty('ExecStopEx', [exec(programs.sh, [paths.stopScript])])] : []),
    unitProperty('ExecStopPostEx', [exec(programs.sh, [paths.recordScript])]),
  ];
}

/** Whether the container gets this stop signal when conmon does; for others the unit has a stop script. */
export function isForwarded(stopSignal: string): boolean {
  return FORWARDED.has(stopSignal);
}

/** A command whose words systemd takes byte for byte. */
function exec(path: string, args: readonly string[]): ExecCommand {
  return { path, argv: [path, ...args], flags: ['no-env-expand'] };
}

function restartProperties({ config: { restart } }: ContainerRecord): readonly UnitProperty[] {
  if (restart.by === 'caller' || restart.policy === 'Never') return [unitProperty('Restart', 'no')];
  return [
    unitProperty('Restart', restart.policy === 'Always' ? 'always' : 'on-failure'),
    // The delay proper is in the launch script, which makes it grow.
    unitProperty('RestartUSec', 100_000),
    unitProperty('StartLimitIntervalUSec', 0),
  ];
}
