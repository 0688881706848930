import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type {
  ActiveState,
  LoadState,
  ReadableUnitProperty,
  UnitPropertyValues,
} from './readable-properties.js';
import type { UnitEvent } from './unit-event.js';
import type { UnitProperty } from './unit-property.js';

/** How a new job gets on with those that wait already (org.freedesktop.systemd1(5), "StartUnit"). */
export type JobMode = 'fail' | 'replace' | 'ignore-dependencies';

export interface JobOptions {
  /** Default: `fail` for transient units, `replace` for all else. */
  readonly mode?: JobMode;
  /** Milliseconds to wait for the job; then it is cancelled. Default: as long as systemd's own time-outs allow. */
  readonly timeoutMs?: number;
  /** Cancels the job. */
  readonly signal?: AbortSignal;
  /** False: resolves when systemd has taken the job on, whatever comes of it. Default true. */
  readonly wait?: boolean;
}

export interface UnitFileOptions {
  /** Only until the next boot. Default: for good. */
  readonly runtime?: boolean;
  /** Replaces links of other units that stand in the way. Default false. */
  readonly force?: boolean;
}

/** A link that systemd made or removed for a unit. */
export interface UnitFileChange {
  readonly type: string;
  /** The link. */
  readonly path: string;
  /** What it leads to; empty for one that was removed. */
  readonly target: string;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
}

/** A unit as ListUnitsByPatterns has it. */
export interface UnitRow {
  readonly name: string;
  readonly description: string;
  readonly loadState: LoadState;
  readonly activeState: ActiveState;
  readonly subState: string;
  /** The job that waits or runs for it, if any. */
  readonly job?: { readonly id: number; readonly type: string };
}

export type SystemState =
  | 'initializing'
  | 'starting'
  | 'running'
  | 'degraded'
  | 'maintenance'
  | 'stopping'
  | 'offline'
  | 'unknown';

/**
 * systemd's manager (org.freedesktop.systemd1(5)).
 *
 * Every method fails with PodwrightError: `unavailable` (no bus, no systemd), `permission-denied`, `not-found` (the unit
 * is not loaded), `invalid-argument`, `timeout`, `cancelled`, `closed`, with systemd's own words. Methods that await a
 * job fail with `job-failed` too; its details have `result`, `unit`, `job`, and for a failed start `unitResult`,
 * `execMainCode` and `execMainStatus` where the unit still has them.
 */
export interface SystemdManager {
  /** Starts the bus, subscribes to systemd's signals, and follows it over restarts of either. */
  start(): Promise<void>;
  /**
   * Makes a unit and starts it; resolves when its start job is done. When cancelled or timed out the job is cancelled,
   * but what it began may live on: stop the unit.
   * @throws PodwrightError kind `already-exists` when a unit of this name is loaded, also a failed one
   */
  startTransientUnit(name: string, properties: readonly UnitProperty[], options?: JobOptions): Promise<void>;
  startUnit(name: string, options?: JobOptions): Promise<void>;
  /** Resolves when the unit is stopped. */
  stopUnit(name: string, options?: JobOptions): Promise<void>;
  restartUnit(name: string, options?: JobOptions): Promise<void>;
  /**
   * Makes units start with others, as their files' section `Install` says. They are found by name, or by an absolute path
   * elsewhere; nothing is started. Units that are loaded see it after `reload`, the others and the next boot at once.
   */
  enableUnitFiles(files: readonly string[], options?: UnitFileOptions): Promise<readonly UnitFileChange[]>;
  /** Undoes `enableUnitFiles`. Files that are gone are no error. */
  disableUnitFiles(
    names: readonly string[],
    options?: Pick<UnitFileOptions, 'runtime'>,
  ): Promise<readonly UnitFileChange[]>;
  /** Has systemd read all unit files again. It costs time for every loaded unit. */
  reload(): Promise<void>;
  /** Sends a signal to the processes of a unit. @param target `signal`: its number */
  killUnit(
    name: string,
    target: { readonly who: 'main' | 'control' | 'all'; readonly signal: number },
  ): Promise<void>;
  /** Forgets that a unit failed; a transient one is then unloaded. A unit that is gone is no error. */
  resetFailedUnit(name: string): Promise<void>;
  /** Changes a live unit. @param options `runtime`: only until the next boot */
  setUnitProperties(
    name: string,
    properties: readonly UnitProperty[],
    options: { readonly runtime: boolean },
  ): Promise<void>;
  /**
   * Moves processes into a unit's cgroup.
   * @param subcgroup path below the unit's own cgroup, empty for that itself; units with Delegate= only
   */
  attachProcessesToUnit(name: string, subcgroup: string, pids: readonly number[]): Promise<void>;
  /** Loaded units whose names match one of the shell patterns. @param filter `states`: load, active or sub states */
  listUnits(
    filter: { readonly patterns: readonly string[]; readonly states?: readonly string[] },
    options?: ReadOptions,
  ): Promise<readonly UnitRow[]>;
  /** One property of a loaded unit. */
  getUnitProperty<N extends ReadableUnitProperty>(
    name: string,
    property: N,
    options?: ReadOptions,
  ): Promise<UnitPropertyValues[N]>;
  /** Several properties of a loaded unit, by one pipelined read each: far cheaper than reading all. */
  unitProperties<N extends ReadableUnitProperty>(
    name: string,
    properties: readonly N[],
    options?: ReadOptions,
  ): Promise<Pick<UnitPropertyValues, N>>;
  /** The unit that a process belongs to. */
  getUnitByPid(pid: number): Promise<string>;
  /** As systemd writes it, such as `252.39-1~deb12u1`; `systemdVersionNumber` has its number. */
  version(): Promise<string>;
  systemState(): Promise<SystemState>;
  /**
   * What happens to all units. Hot: what was before the subscription is not told. After `relist` everything may have
   * changed: list what you watch again.
   */
  readonly unitEvents: Observable<UnitEvent>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const SystemdManager: ServiceIdentifier<SystemdManager> = Symbol.for(
  'podwright.systemd.SystemdManager',
);

/** The number in front of a version such as `252.39-1~deb12u1` or `v255`; undefined when there is none. */
export function systemdVersionNumber(version: string): number | undefined {
  const digits = /\d+/.exec(version)?.[0];
  return digits === undefined ? undefined : Number(digits);
}
