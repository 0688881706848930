import { Logger, messageOf, PodwrightError, silentLogger } from '@podwright/core';
import { inject, injectable, optional } from 'inversify';
import type { Observable } from 'rxjs';
import { type BusValue, variant } from '../bus/bus-value.js';
import { SystemdBus } from '../bus/systemd-bus.js';
import { unitObjectPath, unitOfObjectPath } from '../names/unit-name.js';
import { jobFailed } from './job-result.js';
import { JobTracker } from './job-tracker.js';
import { MANAGER_INTERFACE, MANAGER_PATH, managerCall, propertyCall } from './manager-call.js';
import { ManagerLink } from './manager-link.js';
import {
  interfaceOf,
  type ReadableUnitProperty,
  readProperty,
  type UnitPropertyValues,
} from './readable-properties.js';
import type {
  JobMode,
  JobOptions,
  ReadOptions,
  SystemdManager,
  SystemState,
  UnitFileChange,
  UnitFileOptions,
  UnitRow,
} from './systemd-manager.js';
import type { UnitEvent } from './unit-event.js';
import type { UnitProperty } from './unit-property.js';
import { unitRowOf } from './unit-row.js';

type Verb = 'started' | 'stopped' | 'restarted';

/** `SystemdManager` over a `SystemdBus`. */
@injectable()
export class DbusSystemdManager implements SystemdManager {
  constructor(
    @inject(SystemdBus) private readonly bus: SystemdBus,
    @inject(ManagerLink) private readonly link: ManagerLink,
    @inject(JobTracker) private readonly jobs: JobTracker,
    @inject(Logger) @optional() private readonly logger: Logger = silentLogger,
  ) {}

  get unitEvents(): Observable<UnitEvent> {
    return this.link.unitEvents;
  }

  async start(): Promise<void> {
    await this.link.start();
  }

  async startTransientUnit(
    name: string,
    properties: readonly UnitProperty[],
    options: JobOptions = {},
  ): Promise<void> {
    const body = [name, options.mode ?? 'fail', properties.map(nameAndVariant), []];
    await this.runJob('started', name, 'StartTransientUnit', 'ssa(sv)a(sa(sv))', body, options);
  }

  async startUnit(name: string, options: JobOptions = {}): Promise<void> {
    await this.runUnitJob('started', name, 'StartUnit', options);
  }

  async stopUnit(name: string, options: JobOptions = {}): Promise<void> {
    await this.runUnitJob('stopped', name, 'StopUnit', options);
  }

  async restartUnit(name: string, options: JobOptions = {}): Promise<void> {
    await this.runUnitJob('restarted', name, 'RestartUnit', options);
  }

  async enableUnitFiles(
    files: readonly string[],
    { runtime = false, force = false }: UnitFileOptions = {},
  ): Promise<readonly UnitFileChange[]> {
    const body = [files, runtime, force];
    const [, changes] = await this.bus.call(managerCall('EnableUnitFiles', 'asbb', body));
    return unitFileChanges(changes);
  }

  async disableUnitFiles(
    names: readonly string[],
    { runtime = false }: Pick<UnitFileOptions, 'runtime'> = {},
  ): Promise<readonly UnitFileChange[]> {
    try {
      const [changes] = await this.bus.call(managerCall('DisableUnitFiles', 'asb', [names, runtime]));
      return unitFileChanges(changes);
    } catch (error) {
      if (!PodwrightError.is(error, 'not-found')) throw error;
      return [];
    }
  }

  async reload(): Promise<void> {
    await this.bus.call(managerCall('Reload'));
  }

  async killUnit(
    name: string,
    { who, signal }: { readonly who: 'main' | 'control' | 'all'; readonly signal: number },
  ): Promise<void> {
    await this.bus.call(managerCall('KillUnit', 'ssi', [name, who, signal]));
  }

  async resetFailedUnit(name: string): Promise<void> {
    try {
      await this.bus.call(managerCall('ResetFailedUnit', 's', [name]));
    } catch (error) {
      if (!PodwrightError.is(error, 'not-found')) throw error;
    }
  }

  async setUnitProperties(
    name: string,
    properties: readonly UnitProperty[],
    { runtime }: { readonly runtime: boolean },
  ): Promise<void> {
    const body = [name, runtime, properties.map(nameAndVariant)];
    await this.bus.call(managerCall('SetUnitProperties', 'sba(sv)', body));
  }

  async attachProcessesToUnit(name: string, subcgroup: string, pids: readonly number[]): Promise<void> {
    await this.bus.call(managerCall('AttachProcessesToUnit', 'ssau', [name, subcgroup, pids]));
  }

  async listUnits(
    { patterns, states = [] }: { readonly patterns: readonly string[]; readonly states?: readonly string[] },
    options: ReadOptions = {},
  ): Promise<readonly UnitRow[]> {
    const [rows] = await this.bus.call({
      ...managerCall('ListUnitsByPatterns', 'asas', [states, patterns]),
      ...options,
    });
    return Array.isArray(rows) ? rows.map(unitRowOf) : [];
  }

  async getUnitProperty<N extends ReadableUnitProperty>(
    name: string,
    property: N,
    options: ReadOptions = {},
  ): Promise<UnitPropertyValues[N]> {
    return (await this.unitProperties(name, [property], options))[property];
  }

  async unitProperties<N extends ReadableUnitProperty>(
    name: string,
    properties: readonly N[],
    options: ReadOptions = {},
  ): Promise<Pick<UnitPropertyValues, N>> {
    const path = unitObjectPath(name);
    // Reading a property of a unit that is not loaded would load it and give defaults: GetUnit fails first.
    const [, ...replies] = await Promise.all([
      this.bus.call({ ...managerCall('GetUnit', 's', [name]), ...options }),
      ...properties.map((property) =>
        this.bus.call({ ...propertyCall(path, interfaceOf(name, property), property), ...options }),
      ),
    ]);
    const entries = properties.map((property, index) => {
      const [value] = replies[index] ?? [];
      return [property, value === undefined ? undefined : readProperty(property, value)];
    });
    return Object.fromEntries(entries);
  }

  async getUnitByPid(pid: number): Promise<string> {
    const [path] = await this.bus.call(managerCall('GetUnitByPID', 'u', [pid]));
    return unitOfObjectPath(String(path)) ?? '';
  }

  async version(): Promise<string> {
    const [version] = await this.bus.call(propertyCall(MANAGER_PATH, MANAGER_INTERFACE, 'Version'));
    return String(version);
  }

  async systemState(): Promise<SystemState> {
    const [state] = await this.bus.call(propertyCall(MANAGER_PATH, MANAGER_INTERFACE, 'SystemState'));
    return SYSTEM_STATES.find((known) => known === state) ?? 'unknown';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link[Symbol.asyncDispose]();
  }

  private async runUnitJob(verb: Verb, name: string, member: string, options: JobOptions): Promise<void> {
    await this.runJob(
      verb,
      name,
      member,
      'ss',
      [name, options.mode ?? ('replace' satisfies JobMode)],
      options,
    );
  }

  private async runJob(
    verb: Verb,
    unit: string,
    member: string,
    signature: string,
    body: readonly BusValue[],
    { timeoutMs, signal, wait = true }: JobOptions,
  ): Promise<void> {
    const ask = async () => String((await this.bus.call(managerCall(member, signature, body)))[0]);
    if (!wait) {
      await ask();
      return;
    }
    const { job, end } = await this.jobs.run(ask, {
      what: `${member} of ${unit}`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (end === 'done') return;
    if (end === 'lost') await this.decideByState(verb, unit, job);
    else throw jobFailed(verb, unit, end, { job, ...(await this.failureOf(unit)) });
  }

  /** A job that ended unseen: the unit's state tells, or nothing does. */
  private async decideByState(verb: Verb, unit: string, job: string): Promise<void> {
    const state = await this.getUnitProperty(unit, 'ActiveState').catch((error: unknown) => {
      if (PodwrightError.is(error, 'not-found')) return 'not loaded' as const;
      throw error;
    });
    const isDown = state === 'inactive' || state === 'failed' || state === 'not loaded';
    if (verb === 'stopped' ? isDown : state === 'active') return;
    if (verb !== 'stopped' && state === 'failed') {
      throw jobFailed(verb, unit, 'failed', { job, ...(await this.failureOf(unit)) });
    }
    throw new PodwrightError(
      'unavailable',
      `Whether ${unit} was ${verb} is not known: the connection to systemd broke meanwhile, and the unit is ${state} now.`,
      { details: { unit, job, state } },
    );
  }

  /** What the unit itself says of its failure, as far as it is still there. */
  private async failureOf(unit: string): Promise<Record<string, unknown>> {
    if (!unit.endsWith('.service')) return {};
    try {
      const { Result, ExecMainCode, ExecMainStatus } = await this.unitProperties(unit, [
        'Result',
        'ExecMainCode',
        'ExecMainStatus',
      ]);
      if (Result === 'success') return {};
      return { unitResult: Result, execMainCode: ExecMainCode, execMainStatus: ExecMainStatus };
    } catch (error) {
      this.logger.debug('a failed unit could not be asked why', { unit, reason: messageOf(error) });
      return {};
    }
  }
}

const SYSTEM_STATES: readonly SystemState[] = [
  'initializing',
  'starting',
  'running',
  'degraded',
  'maintenance',
  'stopping',
  'offline',
];

function nameAndVariant({ name, signature, value }: UnitProperty): BusValue {
  return [name, variant(signature, value)];
}

function unitFileChanges(changes: BusValue | undefined): readonly UnitFileChange[] {
  return (Array.isArray(changes) ? changes : []).flatMap((change: BusValue) =>
    Array.isArray(change)
      ? [{ type: String(change[0]), path: String(change[1]), target: String(change[2]) }]
      : [],
  );
}
