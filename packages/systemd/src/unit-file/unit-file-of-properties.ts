import { PodwrightError } from '@podwright/core';
import type { BusValue } from '../bus/bus-value.js';
import { UINT64_MAX, type UnitProperty } from '../manager/unit-property.js';
import type { UnitFileEntry, UnitFileSection } from './unit-file.js';
import { escapeSpecifiers, formatExecCommand, joinWords } from './unit-words.js';

type Render = (value: BusValue, name: string) => readonly UnitFileEntry[];

/** Properties that stand in the section `Unit`, whatever the type of the unit. */
const OF_UNIT: ReadonlySet<string> = new Set([
  ...['Description', 'DefaultDependencies', 'CollectMode', 'StartLimitIntervalUSec', 'StartLimitBurst'],
  ...['After', 'Before', 'Requires', 'Wants', 'BindsTo', 'PartOf'],
]);

const setting =
  (render: (value: BusValue) => string, rename = (name: string) => name): Render =>
  (value, name) => [{ key: rename(name), value: render(value) }];
const plain = setting((value) => escapeSpecifiers(String(value)));
const flag = setting((value) => (value === true ? 'yes' : 'no'));
const amount = setting((value) => amountOf(value));
const span = setting(
  (value) => (amountOf(value) === 'infinity' ? 'infinity' : `${amountOf(value)}us`),
  (name) => name.replace(/USec$/, 'Sec'),
);
const names = setting((value) => texts(value).map(escapeSpecifiers).join(' '));
const commands: Render = (value, name) =>
  list(value).map((command) => {
    const [path, argv, flags] = list(command);
    const parsed = { path: String(path), argv: texts(argv), flags: texts(flags) as [] };
    return { key: name.replace(/Ex$/, ''), value: formatExecCommand(parsed) };
  });
/** A bit for each CPU, as a list of their numbers. */
const bits = setting((value) => {
  const bytes = Buffer.isBuffer(value) ? [...value] : list(value).map(Number);
  return bytes
    .flatMap((byte, index) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => index * 8 + bit),
    )
    .join(' ');
});

const RENDERS: ReadonlyMap<string, Render> = new Map<string, Render>([
  ...each(['Description', 'Slice', 'CollectMode', 'Type', 'PIDFile', 'NotifyAccess', 'Restart'], plain),
  ...each(['OOMPolicy', 'WorkingDirectory', 'User', 'Group', 'StandardInput', 'StandardOutput'], plain),
  ...each(['StandardError', 'SyslogIdentifier', 'LogNamespace', 'KillMode', 'DevicePolicy'], plain),
  ...each(['KillSignal', 'FinalKillSignal', 'OOMScoreAdjust', 'StartLimitBurst', 'LogRateLimitBurst'], plain),
  ...each(['DefaultDependencies', 'RemainAfterExit', 'GuessMainPID', 'SendSIGKILL', 'SendSIGHUP'], flag),
  ...each(['Delegate', 'CPUAccounting', 'MemoryAccounting', 'TasksAccounting', 'IOAccounting'], flag),
  ...each(['After', 'Before', 'Requires', 'Wants', 'BindsTo', 'PartOf'], names),
  ...each(['StartLimitIntervalUSec', 'RestartUSec', 'TimeoutStartUSec', 'TimeoutStopUSec'], span),
  ...each(['RuntimeMaxUSec', 'LogRateLimitIntervalUSec', 'CPUQuotaPeriodUSec'], span),
  ...each(['MemoryMin', 'MemoryLow', 'MemoryHigh', 'MemoryMax', 'MemorySwapMax', 'TasksMax'], amount),
  ...each(['CPUWeight', 'CPUShares', 'IOWeight'], amount),
  ...each(['ExecStartEx', 'ExecStartPreEx', 'ExecStartPostEx', 'ExecStopEx', 'ExecStopPostEx'], commands),
  ...each(['AllowedCPUs', 'AllowedMemoryNodes'], bits),
  ['Environment', setting((value) => joinWords(texts(value)))],
  ['UMask', setting((value) => Number(value).toString(8).padStart(4, '0'))],
  // An empty list lets no controller through, and delegates all the same.
  [
    'DelegateControllers',
    setting(
      (value) => texts(value).join(' '),
      () => 'Delegate',
    ),
  ],
  // Percent of one CPU, whose smallest part is a hundredth.
  ['CPUQuotaPerSecUSec', setting(quota, () => 'CPUQuota')],
  ['DeviceAllow', (value) => list(value).map(deviceAllow)],
]);

/**
 * The sections of a unit file that make the same unit as these properties do with StartTransientUnit.
 * @param type section of the unit's type, e.g. `Service`
 * @throws PodwrightError kind `invalid-argument` for a property that no file can hold
 */
export function unitFileOf(
  type: 'Service' | 'Slice',
  properties: readonly UnitProperty[],
): readonly UnitFileSection[] {
  const entries = properties.map(({ name, value }) => {
    const render = RENDERS.get(name);
    if (render !== undefined) return { isOfUnit: OF_UNIT.has(name), lines: render(value, name) };
    throw new PodwrightError('invalid-argument', `The property ${name} has no form for a unit file here.`);
  });
  const of = (isOfUnit: boolean) =>
    entries.filter((entry) => entry.isOfUnit === isOfUnit).flatMap(({ lines }) => lines);
  return [
    { name: 'Unit', entries: of(true) },
    { name: type, entries: of(false) },
  ];
}

function each(keys: readonly string[], render: Render): (readonly [string, Render])[] {
  return keys.map((key) => [key, render] as const);
}

function amountOf(value: BusValue): string {
  return value === UINT64_MAX ? 'infinity' : String(value);
}

function quota(value: BusValue): string {
  if (amountOf(value) === 'infinity') return '';
  return `${(Math.ceil(Number(value) / 100) / 100).toFixed(2)}%`;
}

/** systemd reads quotes here, and no escapes: a path that needs one is refused. */
function deviceAllow(value: BusValue): UnitFileEntry {
  const [path, permissions] = texts(value);
  if (path === undefined || !/^[\w/.:*+,@%-]+$/.test(path) || !/^[rwm]*$/.test(permissions ?? '')) {
    throw new PodwrightError(
      'invalid-argument',
      `The device ${JSON.stringify(path)} cannot stand in a unit file.`,
    );
  }
  return { key: 'DeviceAllow', value: `${escapeSpecifiers(path)} ${permissions}`.trimEnd() };
}

function list(value: BusValue | undefined): readonly BusValue[] {
  return Array.isArray(value) ? value : [];
}

function texts(value: BusValue | undefined): readonly string[] {
  return list(value).map(String);
}
