import { PodwrightError } from '@podwright/core';
import type {
  ActiveState,
  JobOptions,
  SystemdManager,
  UnitEvent,
  UnitFileChange,
  UnitProperty,
  UnitRow,
} from '@podwright/systemd';
import { Subject } from 'rxjs';

interface FakeUnit {
  activeState: ActiveState;
  job?: string;
  properties: readonly UnitProperty[];
}

/** A systemd whose units are what the test says. */
export class FakeSystemd implements SystemdManager {
  readonly units = new Map<string, FakeUnit>();
  /** Calls that change something, in order. */
  readonly calls: string[] = [];
  readonly unitEvents = new Subject<UnitEvent>();
  /** What happens when a unit starts; default: it is active. */
  onStart: (name: string, options: JobOptions) => Promise<void> = async () => undefined;
  /** What several properties of a unit read as. */
  unitValues: () => Promise<object> = async () => {
    throw new Error('not used');
  };
  /** What happens before a unit is gone. */
  onStop: (name: string, options: JobOptions) => Promise<void> = async () => undefined;

  async start(): Promise<void> {}

  async startTransientUnit(
    name: string,
    properties: readonly UnitProperty[],
    options: JobOptions = {},
  ): Promise<void> {
    this.calls.push(`start ${name}`);
    if (this.units.has(name)) throw new PodwrightError('already-exists', `${name} is there.`);
    this.set(name, 'activating', { properties });
    await this.onStart(name, options);
    if (this.units.has(name)) this.set(name, 'active', { properties });
  }

  async startUnit(name: string, options: JobOptions = {}): Promise<void> {
    this.calls.push(`join ${name}`);
    await this.onStart(name, options);
  }

  async stopUnit(name: string, options: JobOptions = {}): Promise<void> {
    this.calls.push(`stop ${name}`);
    if (!this.units.has(name)) throw new PodwrightError('not-found', `${name} is not there.`);
    this.set(name, 'deactivating', { job: 'stop' });
    await this.onStop(name, options);
    this.end(name);
  }

  async restartUnit(): Promise<void> {
    throw new Error('not used');
  }

  async killUnit(): Promise<void> {
    throw new Error('not used');
  }

  async resetFailedUnit(name: string): Promise<void> {
    this.calls.push(`reset ${name}`);
  }

  async setUnitProperties(name: string, properties: readonly UnitProperty[]): Promise<void> {
    this.calls.push(`set ${name} ${properties.map((property) => property.name).join()}`);
  }

  async enableUnitFiles(files: readonly string[]): Promise<readonly UnitFileChange[]> {
    this.calls.push(`enable ${files.join()}`);
    return [];
  }

  async disableUnitFiles(names: readonly string[]): Promise<readonly UnitFileChange[]> {
    this.calls.push(`disable ${names.join()}`);
    return [];
  }

  async reload(): Promise<void> {
    this.calls.push('reload');
  }

  async attachProcessesToUnit(): Promise<void> {
    throw new Error('not used');
  }

  async listUnits({ patterns }: { readonly patterns: readonly string[] }): Promise<readonly UnitRow[]> {
    const fits = patterns.map(
      (pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`),
    );
    return [...this.units]
      .filter(([name]) => fits.some((fit) => fit.test(name)))
      .map(([name, { activeState, job }]) => ({
        name,
        ...{ description: '', loadState: 'loaded', subState: '', activeState },
        ...(job === undefined ? {} : { job: { id: 1, type: job } }),
      }));
  }

  async getUnitProperty(name: string, property: string) {
    const unit = this.units.get(name);
    if (unit === undefined) throw new PodwrightError('not-found', `${name} is not there.`);
    // biome-ignore lint/suspicious/noExplicitAny: a value of whatever type the property has.
    return unit.properties.find((each) => each.name === property)?.value as any;
  }

  async unitProperties() {
    // biome-ignore lint/suspicious/noExplicitAny: values of whatever types the properties have.
    return (await this.unitValues()) as any;
  }

  async getUnitByPid(): Promise<string> {
    throw new Error('not used');
  }

  async version(): Promise<string> {
    return '252.39-1~deb12u1';
  }

  async systemState(): Promise<'running'> {
    return 'running';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unitEvents.complete();
  }

  set(
    name: string,
    activeState: ActiveState,
    fields: { job?: string; properties?: readonly UnitProperty[] } = {},
  ): void {
    const properties = fields.properties ?? this.units.get(name)?.properties ?? [];
    this.units.set(name, { activeState, ...fields, properties });
    this.changed(name);
  }

  end(name: string): void {
    this.units.delete(name);
    this.changed(name);
  }

  changed(unit: string): void {
    const activeState = this.units.get(unit)?.activeState ?? 'inactive';
    this.unitEvents.next({
      type: 'changed',
      unit,
      properties: { ActiveState: activeState },
      invalidated: [],
    });
  }
}
