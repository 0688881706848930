import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Orphan, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { SandboxManager } from '@podwright/sandbox';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { ignoreMissing } from './files.js';
import { containerOfUnit, HostLayout, sandboxOfInfraUnit } from './host-layout.js';
import { PodSlices, sliceDescription } from './pod-slices.js';

/**
 * Finds units without a record. A service is this agent's own when its working directory lies below this agent's state
 * directory; a slice when its description says so, or when nobody gave it any property.
 */
@injectable()
export class UnitOrphans {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(ContainerStore) private readonly store: ContainerStore,
  ) {}

  /** Services before the slices in which they are. */
  async find(): Promise<readonly Orphan[]> {
    const services = await this.services();
    return [
      ...services.map(({ orphan }) => orphan),
      ...(await this.podSlices(services.map(({ unit }) => unit))),
    ];
  }

  private async services(): Promise<readonly { readonly unit: string; readonly orphan: Orphan }[]> {
    const units = await this.manager.listUnits({ patterns: ['podwright-*.service'] });
    // Read last: what was made for a container before has its directory by now.
    const inUse = await this.store.idsInUse();
    const services: { unit: string; orphan: Orphan }[] = [];
    for (const { name } of units) {
      if (!(await this.isOrphan(name, inUse))) continue;
      const remove = async () => {
        if (!(await this.isOrphan(name, await this.store.idsInUse()))) return;
        await this.manager.stopUnit(name).catch(ignoreGone);
        await this.manager.resetFailedUnit(name);
      };
      services.push({ unit: name, orphan: { what: `unit ${name}`, remove } });
    }
    return services;
  }

  /**
   * Slices of pods that are not known, in which nothing runs.
   * @param going units that go before
   */
  private async podSlices(going: readonly string[]): Promise<readonly Orphan[]> {
    const units = await this.manager.listUnits({ patterns: ['podwright-pod*.slice'] });
    const orphans: Orphan[] = [];
    for (const { name, activeState } of units) {
      if (activeState === 'inactive' || !(await this.isOrphanSlice(name))) continue;
      if ((await this.runningIn(name)).some((unit) => !going.includes(unit))) continue;
      orphans.push({
        what: `slice ${name}`,
        remove: async () => {
          if (!(await this.isOrphanSlice(name))) return;
          const [unit] = await this.runningIn(name);
          if (unit === undefined) await this.slices.removeUnit(name);
          else throw new PodwrightError('in-use', `${unit} runs in it.`, { details: { slice: name, unit } });
        },
      });
    }
    return orphans;
  }

  private async isOrphan(unit: string, inUse: ReadonlySet<string>): Promise<boolean> {
    const container = containerOfUnit(unit);
    if (container === undefined) return await this.isOrphanInfra(unit);
    if (inUse.has(container)) return false;
    const directory = await this.manager.getUnitProperty(unit, 'WorkingDirectory').catch(ignoreGone);
    return directory?.startsWith(`${this.layout.containersDir}/`) ?? false;
  }

  /** A sandbox's first process when the sandbox has no state any more, which is written before and removed after it. */
  private async isOrphanInfra(unit: string): Promise<boolean> {
    const id = sandboxOfInfraUnit(unit);
    if (id === undefined) return false;
    const state = join(this.layout.sandboxesDir, id);
    const directory = await this.manager.getUnitProperty(unit, 'WorkingDirectory').catch(ignoreGone);
    if (directory !== state) return false;
    return (await ignoreMissing(readdir(this.host.hostPath(state)))) === undefined;
  }

  private async isOrphanSlice(slice: string): Promise<boolean> {
    const known = [
      ...this.sandboxes
        .list()
        .map(({ metadata, cgroupParent }) => cgroupParent ?? this.slices.nameOf(metadata.uid)),
      ...this.store.list().map((container) => container.slice),
    ];
    if (known.includes(slice)) return false;
    const properties = await this.manager
      .unitProperties(slice, ['Transient', 'FragmentPath', 'Description'])
      .catch(ignoreGone);
    if (properties === undefined) return false;
    // One that systemd made for a unit in it is everybody's: it comes again when it is needed.
    const isNobodys = !properties.Transient && properties.FragmentPath === undefined;
    return isNobodys || properties.Description === sliceDescription(this.layout.stateDir);
  }

  /** Another agent may have a pod of this uid, too. */
  private async runningIn(slice: string): Promise<readonly string[]> {
    const running: string[] = [];
    for (const { name, activeState } of await this.manager.listUnits({ patterns: ['podwright-*.service'] })) {
      if (activeState === 'inactive' || activeState === 'failed') continue;
      if ((await this.manager.getUnitProperty(name, 'Slice').catch(ignoreGone)) === slice) running.push(name);
    }
    return running;
  }
}

/** A unit that ended meanwhile is what was wanted. */
function ignoreGone(error: unknown): undefined {
  if (!PodwrightError.is(error, 'not-found')) throw error;
}
