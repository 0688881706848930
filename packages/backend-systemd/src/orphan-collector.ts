import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  messageOf,
  type OrphanReport,
  PodwrightError,
  throwIfAborted,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { SandboxManager } from '@podwright/sandbox';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { ignoreMissing } from './files.js';
import { containerOfUnit, HostLayout, sandboxOfInfraUnit } from './host-layout.js';

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

  async collect({ signal }: CallOptions = {}): Promise<OrphanReport> {
    const removed: string[] = [];
    const errors: Error[] = [];
    const attempt = async (what: string, remove: () => Promise<unknown>) => {
      throwIfAborted(signal);
      try {
        await remove();
        removed.push(what);
      } catch (cause) {
        errors.push(
          new PodwrightError('internal', `${what} could not be removed: ${messageOf(cause)}`, { cause }),
        );
      }
    };
    const units = await this.manager.listUnits({ patterns: ['podwright-*.service'] });
    const runDirs = await this.runDirectories();
    // Read last: what was made for a container before has its directory by now.
    const inUse = await this.store.idsInUse();
    for (const { name } of units) {
      const id = containerOfUnit(name);
      const isOrphan =
        id === undefined ? await this.isOrphanInfra(name) : !inUse.has(id) && (await this.isOwn(name));
      if (!isOrphan) continue;
      await attempt(`unit ${name}`, async () => {
        await this.manager.stopUnit(name, signal === undefined ? {} : { signal }).catch(ignoreGone);
        await this.manager.resetFailedUnit(name);
      });
    }
    for (const id of runDirs) {
      if (inUse.has(id)) continue;
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

  /** A sandbox's first process when the sandbox has no state any more, which is written before and removed after it. */
  private async isOrphanInfra(unit: string): Promise<boolean> {
    const id = sandboxOfInfraUnit(unit);
    if (id === undefined) return false;
    const state = join(this.layout.sandboxesDir, id);
    const directory = await this.manager.getUnitProperty(unit, 'WorkingDirectory').catch(ignoreGone);
    if (directory !== state) return false;
    return (await ignoreMissing(readdir(this.host.hostPath(state)))) === undefined;
  }

  private async isOwn(unit: string): Promise<boolean> {
    const directory = await this.manager.getUnitProperty(unit, 'WorkingDirectory').catch(ignoreGone);
    return directory?.startsWith(`${this.layout.containersDir}/`) ?? false;
  }

  private async runDirectories(): Promise<readonly string[]> {
    return (await ignoreMissing(readdir(this.host.hostPath(this.layout.containersRunDir)))) ?? [];
  }
}

/** A unit that ended meanwhile is what was wanted. */
function ignoreGone(error: unknown): undefined {
  if (!PodwrightError.is(error, 'not-found')) throw error;
}
