import type { BusValue } from '../bus/bus-value.js';

/** A property of a unit as StartTransientUnit and SetUnitProperties take it. Made by `unitProperty`, or by hand. */
export interface UnitProperty {
  readonly name: string;
  /** D-Bus type of the value. */
  readonly signature: string;
  readonly value: BusValue;
}

/** A command of a unit. `no-env-expand` passes every argument byte for byte (systemd.service(5), "Command lines"). */
export interface ExecCommand {
  /** Absolute path of the program. */
  readonly path: string;
  /** All arguments, the program's own name first. */
  readonly argv: readonly string[];
  readonly flags?: readonly ('ignore-failure' | 'privileged' | 'no-setuid' | 'ambient' | 'no-env-expand')[];
}

/** An amount without sign; `infinity` lifts a limit. Sizes are bytes, `…USec` are microseconds. */
export type Amount = number | bigint | 'infinity';

/** systemd's number for infinity. */
export const UINT64_MAX = 2n ** 64n - 1n;

const text = (value: string) => ({ signature: 's', value });
const flag = (value: boolean) => ({ signature: 'b', value });
const amount = (value: Amount) => ({ signature: 't', value: value === 'infinity' ? UINT64_MAX : value });
const int32 = (value: number) => ({ signature: 'i', value });
const uint32 = (value: number) => ({ signature: 'u', value });
const texts = (value: readonly string[]) => ({ signature: 'as', value });
const commands = (value: readonly ExecCommand[]) => ({
  signature: 'a(sasas)',
  value: value.map(({ path, argv, flags }) => [path, argv, flags ?? []]),
});
const choice =
  <T extends string>() =>
  (value: T) =>
    text(value);

/**
 * How each property is written. Types are those of org.freedesktop.systemd1(5), and of bus_unit_set_transient_property
 * and its kin in systemd where the manual has only what is read.
 */
const WRITERS = {
  Description: text,
  Slice: text,
  DefaultDependencies: flag,
  CollectMode: choice<'inactive' | 'inactive-or-failed'>(),
  After: texts,
  Before: texts,
  Requires: texts,
  Wants: texts,
  BindsTo: texts,
  PartOf: texts,
  StartLimitIntervalUSec: amount,
  StartLimitBurst: uint32,

  Type: choice<'simple' | 'exec' | 'forking' | 'oneshot' | 'notify'>(),
  PIDFile: text,
  RemainAfterExit: flag,
  GuessMainPID: flag,
  NotifyAccess: choice<'none' | 'main' | 'exec' | 'all'>(),
  /** Expands `$VAR` in the arguments: see ExecStartEx. */
  ExecStart: (value: readonly { path: string; argv: readonly string[]; ignoreFailure?: boolean }[]) => ({
    signature: 'a(sasb)',
    value: value.map(({ path, argv, ignoreFailure }) => [path, argv, ignoreFailure ?? false]),
  }),
  ExecStartEx: commands,
  ExecStartPreEx: commands,
  ExecStartPostEx: commands,
  ExecStopEx: commands,
  ExecStopPostEx: commands,
  Restart: choice<
    'no' | 'on-success' | 'on-failure' | 'on-abnormal' | 'on-abort' | 'on-watchdog' | 'always'
  >(),
  RestartUSec: amount,
  TimeoutStartUSec: amount,
  TimeoutStopUSec: amount,
  RuntimeMaxUSec: amount,
  SuccessExitStatus: (value: { codes?: readonly number[]; signals?: readonly number[] }) => ({
    signature: '(aiai)',
    value: [value.codes ?? [], value.signals ?? []],
  }),
  OOMPolicy: choice<'continue' | 'stop' | 'kill'>(),

  Environment: texts,
  WorkingDirectory: text,
  User: text,
  Group: text,
  UMask: uint32,
  StandardInput: text,
  StandardOutput: text,
  StandardError: text,
  SyslogIdentifier: text,
  LogNamespace: text,
  LogRateLimitIntervalUSec: amount,
  LogRateLimitBurst: uint32,
  OOMScoreAdjust: int32,
  LimitNOFILE: amount,
  LimitNOFILESoft: amount,
  LimitNPROC: amount,
  LimitNPROCSoft: amount,
  LimitCORE: amount,
  LimitCORESoft: amount,
  LimitMEMLOCK: amount,
  LimitMEMLOCKSoft: amount,

  KillMode: choice<'control-group' | 'mixed' | 'process' | 'none'>(),
  KillSignal: int32,
  FinalKillSignal: int32,
  SendSIGKILL: flag,
  SendSIGHUP: flag,

  Delegate: flag,
  DelegateControllers: texts,
  DevicePolicy: choice<'auto' | 'closed' | 'strict'>(),
  DeviceAllow: (value: readonly { path: string; permissions: string }[]) => ({
    signature: 'a(ss)',
    value: value.map(({ path, permissions }) => [path, permissions]),
  }),
  CPUAccounting: flag,
  MemoryAccounting: flag,
  TasksAccounting: flag,
  IOAccounting: flag,
  MemoryMin: amount,
  MemoryLow: amount,
  MemoryHigh: amount,
  MemoryMax: amount,
  MemorySwapMax: amount,
  TasksMax: amount,
  /** Microseconds of CPU time in each second. */
  CPUQuotaPerSecUSec: amount,
  CPUQuotaPeriodUSec: amount,
  /** cgroup v2: 1 to 10000. */
  CPUWeight: amount,
  /** cgroup v1: 2 to 262144. */
  CPUShares: amount,
  IOWeight: amount,
  /** Bit n of byte n/8 stands for CPU n. */
  AllowedCPUs: (value: Buffer) => ({ signature: 'ay', value }),
  AllowedMemoryNodes: (value: Buffer) => ({ signature: 'ay', value }),
  /** The processes of a scope; StartTransientUnit only. */
  PIDs: (value: readonly number[]) => ({ signature: 'au', value }),
} as const;

/** Properties that `unitProperty` knows. */
export type WritableUnitProperty = keyof typeof WRITERS;

type ValueTypes = { readonly [N in WritableUnitProperty]: Parameters<(typeof WRITERS)[N]>[0] };

/** What `unitProperty` takes for each. */
export type WritableUnitPropertyValue<N extends WritableUnitProperty> = ValueTypes[N];

const writers: {
  readonly [N in WritableUnitProperty]: (value: ValueTypes[N]) => { signature: string; value: BusValue };
} = WRITERS;

/** A property with the D-Bus type that systemd wants for it: `unitProperty('MemoryMax', 64 * 1024 * 1024)`. */
export function unitProperty<N extends WritableUnitProperty>(
  name: N,
  value: WritableUnitPropertyValue<N>,
): UnitProperty {
  return { name, ...writers[name](value) };
}
