import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, type OrphanReport, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { SandboxManager } from '@podwright/sandbox';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { containerOfUnit, HostLayout } from './host-layout.js';

/**
 * Removes units, run directories and sandboxes' leftovers without a record. A unit is this agent's own when its working
 * directory lies below this agent's state directory; others are left alone.
 */
@injectable()
export class OrphanCollector {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(ContainerStore) private readonly store: ContainerStore,
  ) {}

  async collect(_options?: CallOptions): Promise<OrphanReport> {
    const removed: string[] = [];
    const errors: Error[] = [];
    const attempt = async (what: string, remove: () => Promise<unknown>) => {
      try {
        await remove();
        removed.push(what);
      } catch (cause) {
        errors.push(new PodwrightError('internal', `${what} could not be removed.`, { cause }));
      }
    };
    // Read before the units: a container that is made meanwhile is in the store before it has a unit.
    const known = new Set(await this.store.directories());
    const units = await this.manager.listUnits({ patterns: ['podwright-*.service'] });
    for (const { name } of units) {
      const id = containerOfUnit(name);
      if (id === undefined || known.has(id) || this.store.get(id) || !(await this.isOwn(name))) continue;
      await attempt(`unit ${name}`, async () => {
        await this.manager.stopUnit(name);
        await this.manager.resetFailedUnit(name);
      });
    }
    for (const id of await this.namesIn(this.layout.containersRunDir)) {
      if (known.has(id) || this.store.get(id)) continue;
      const path = join(this.layout.containersRunDir, id);
      await attempt(`directory ${path}`, () =>
        rm(this.host.hostPath(path), { recursive: true, force: true }),
      );
    }
    const sandboxes = await this.sandboxes.removeOrphans();
    return {
      removed: [...removed, ...sandboxes.removed],
      errors: [...errors, ...sandboxes.errors],
    };
  }

  private async isOwn(unit: string): Promise<boolean> {
    try {
      const directory = await this.manager.getUnitProperty(unit, 'WorkingDirectory');
      return directory?.startsWith(`${this.layout.containersDir}/`) ?? false;
    } catch (error) {
      if (PodwrightError.is(error, 'not-found')) return false;
      throw error;
    }
  }

  private async namesIn(path: string): Promise<readonly string[]> {
    return await readdir(this.host.hostPath(path)).catch(() => []);
  }
}
