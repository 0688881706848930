import { PodwrightError } from '@podwright/core';
import type { BusValue } from '../bus/bus-value.js';
import { UINT64_MAX } from './unit-property.js';

export type ActiveState =
  | 'active'
  | 'reloading'
  | 'inactive'
  | 'failed'
  | 'activating'
  | 'deactivating'
  | 'maintenance';

export type LoadState = 'stub' | 'loaded' | 'not-found' | 'bad-setting' | 'error' | 'merged' | 'masked';

/** How a service ended (systemd.exec(5), `$SERVICE_RESULT`); other unit types have some of these. */
export type UnitResult =
  | 'success'
  | 'protocol'
  | 'timeout'
  | 'exit-code'
  | 'signal'
  | 'core-dump'
  | 'watchdog'
  | 'exec-condition'
  | 'start-limit-hit'
  | 'oom-kill'
  | 'resources'
  | (string & {});

const text = (value: BusValue): string => {
  if (typeof value !== 'string') throw new TypeError('not a string');
  return value;
};
const optionalText = (value: BusValue): string | undefined => (value === '' ? undefined : text(value));
const flag = (value: BusValue): boolean => {
  if (typeof value !== 'boolean') throw new TypeError('not a boolean');
  return value;
};
const number = (value: BusValue): number => {
  if (typeof value !== 'number') throw new TypeError('not a number that is exact in JavaScript');
  return value;
};
/** systemd writes 0 for "none" in PIDs and timestamps. */
const nonZero = (value: BusValue): number | undefined => (value === 0 ? undefined : number(value));
/** systemd writes the greatest number for "infinity" and for "not known". */
const finite = (value: BusValue): number | undefined => (value === UINT64_MAX ? undefined : number(value));
const finiteBig = (value: BusValue): bigint | undefined => {
  if (value === UINT64_MAX) return undefined;
  return typeof value === 'bigint' ? value : BigInt(number(value));
};
const hex = (value: BusValue): string | undefined => {
  if (!Buffer.isBuffer(value)) throw new TypeError('not bytes');
  return value.length === 0 ? undefined : value.toString('hex');
};
const texts = (value: BusValue): readonly string[] => {
  if (!Array.isArray(value)) throw new TypeError('not an array');
  return value.map(text);
};
const job = (value: BusValue): number | undefined => {
  const [id] = Array.isArray(value) ? value : [value];
  return nonZero(id ?? 0);
};

/** Of org.freedesktop.systemd1.Unit: every unit has them. */
const UNIT_READERS = {
  Id: text,
  Names: texts,
  Description: text,
  LoadState: (value: BusValue) => text(value) as LoadState,
  ActiveState: (value: BusValue) => text(value) as ActiveState,
  SubState: text,
  FragmentPath: optionalText,
  /** 32 hexadecimal digits; a new one at every start. */
  InvocationID: hex,
  /** The id of the job that waits or runs for the unit. */
  Job: job,
  Transient: flag,
  NeedDaemonReload: flag,
  ActiveEnterTimestamp: nonZero,
  ActiveExitTimestamp: nonZero,
  InactiveEnterTimestamp: nonZero,
  InactiveExitTimestamp: nonZero,
  StateChangeTimestamp: nonZero,
  ConditionResult: flag,
  AssertResult: flag,
  CollectMode: text,
  Requires: texts,
  Wants: texts,
  After: texts,
  PartOf: texts,
} as const;

/** Of the interface of the unit's type: services, slices, scopes, as far as each has them. */
const TYPE_READERS = {
  Type: text,
  WorkingDirectory: optionalText,
  Result: (value: BusValue) => text(value) as UnitResult,
  Restart: text,
  RestartUSec: finite,
  NRestarts: number,
  StatusText: optionalText,
  StatusErrno: number,
  PIDFile: optionalText,
  MainPID: nonZero,
  ControlPID: nonZero,
  ExecMainPID: nonZero,
  /** `si_code` of waitid(2): 1 exited, 2 killed, 3 dumped core; absent while nothing has ended. */
  ExecMainCode: nonZero,
  /** The exit code, or the number of the signal. */
  ExecMainStatus: number,
  ExecMainStartTimestamp: nonZero,
  ExecMainExitTimestamp: nonZero,
  TimeoutStartUSec: finite,
  TimeoutStopUSec: finite,
  OOMPolicy: text,
  Environment: texts,
  KillMode: text,
  KillSignal: number,
  Slice: optionalText,
  /** Path below the root of each cgroup hierarchy; absent while the unit has none. */
  ControlGroup: optionalText,
  Delegate: flag,
  DevicePolicy: text,
  /** Bytes; absent when not accounted. */
  MemoryCurrent: finite,
  MemoryMax: finite,
  MemoryHigh: finite,
  MemoryLow: finite,
  /** Absent when not accounted. */
  CPUUsageNSec: finiteBig,
  CPUQuotaPerSecUSec: finite,
  CPUWeight: finite,
  CPUShares: finite,
  /** Absent when not accounted. */
  TasksCurrent: finite,
  TasksMax: finite,
  IOReadBytes: finiteBig,
  IOWriteBytes: finiteBig,
  LogNamespace: optionalText,
} as const;

const READERS = { ...UNIT_READERS, ...TYPE_READERS };

/** Properties of units that can be read with a type. */
export type ReadableUnitProperty = keyof typeof READERS;

/**
 * What each property reads as. Timestamps are microseconds since the epoch, `…USec` microseconds, sizes bytes. What
 * systemd writes as infinity, as zero for "none", or as an empty text is `undefined`.
 */
export type UnitPropertyValues = { readonly [N in ReadableUnitProperty]: ReturnType<(typeof READERS)[N]> };

const readers: { readonly [N in ReadableUnitProperty]: (value: BusValue) => UnitPropertyValues[N] } = READERS;

export const UNIT_INTERFACE = 'org.freedesktop.systemd1.Unit';

/** The interface that has a property for units of this name's type. */
export function interfaceOf(unit: string, property: ReadableUnitProperty): string {
  if (property in UNIT_READERS) return UNIT_INTERFACE;
  const type = unit.slice(unit.lastIndexOf('.') + 1);
  return `org.freedesktop.systemd1.${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}

/** @throws PodwrightError kind `unsupported` when this systemd writes the property in another type than the known */
export function readProperty<N extends ReadableUnitProperty>(
  name: N,
  value: BusValue,
): UnitPropertyValues[N] {
  try {
    return readers[name](value);
  } catch (cause) {
    throw new PodwrightError(
      'unsupported',
      `The unit property ${name} cannot be understood (${cause instanceof Error ? cause.message : String(cause)}): ` +
        'this version of systemd writes it in another way.',
      { cause },
    );
  }
}

/**
 * The properties of a PropertiesChanged signal that are known here.
 * @returns `unreadable`: names of those that this systemd writes in another way
 */
export function readProperties(changed: BusValue): {
  readonly properties: Partial<UnitPropertyValues>;
  readonly unreadable: readonly string[];
} {
  const properties: Record<string, unknown> = {};
  const unreadable: string[] = [];
  if (typeof changed === 'object' && !Array.isArray(changed) && !Buffer.isBuffer(changed)) {
    for (const [name, value] of Object.entries(changed)) {
      if (!isReadable(name)) continue;
      try {
        properties[name] = readProperty(name, value);
      } catch {
        unreadable.push(name);
      }
    }
  }
  return { properties, unreadable };
}

function isReadable(name: string): name is ReadableUnitProperty {
  return Object.hasOwn(READERS, name);
}
