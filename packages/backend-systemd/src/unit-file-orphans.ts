import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Orphan } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { SandboxManager } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';
import { SystemdBackendOptions } from './backend-options.js';
import { ContainerStore } from './container-store.js';
import { ignoreMissing } from './files.js';
import { HostLayout } from './host-layout.js';
import { PersistentUnits } from './persistent-units.js';
import { ResourceUpdater } from './resource-updater.js';
import { type UnitFileOwner, unitFileOwner } from './unit-file-owner.js';

/** Finds unit files of pods of `persist` that are lost: systemd would try to bring them back at each boot. */
@injectable()
export class UnitFileOrphans {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(SystemdBackendOptions) private readonly options: SystemdBackendOptions,
    @inject(PersistentUnits) private readonly persistent: PersistentUnits,
    @inject(ResourceUpdater) private readonly resources: ResourceUpdater,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(ContainerStore) private readonly store: ContainerStore,
  ) {}

  async find(): Promise<readonly Orphan[]> {
    const directory = this.host.hostPath(this.options.unitDir);
    const orphans: Orphan[] = [];
    for (const unit of (await ignoreMissing(readdir(directory))) ?? []) {
      if (!/^podwright-.*\.service$/.test(unit)) continue;
      const text = await ignoreMissing(readFile(join(directory, unit), 'utf8'));
      const owner = text === undefined ? undefined : unitFileOwner(unit, text, this.layout);
      if (owner === undefined || (await this.isThere(owner))) continue;
      orphans.push({
        what: `unit file ${join(this.options.unitDir, unit)}`,
        remove: async () => {
          if (await this.isThere(owner)) return;
          if ('container' in owner) await this.persistent.removeContainer(owner.container);
          else await this.persistent.removePod(owner.podUid);
          await this.resources.forget([unit]);
        },
      });
    }
    return orphans;
  }

  private async isThere(owner: UnitFileOwner): Promise<boolean> {
    if ('container' in owner) return (await this.store.idsInUse()).has(owner.container);
    const { podUid } = owner;
    return (
      // One whose record cannot be read may be the pod's.
      this.sandboxes.unreadable.size > 0 ||
      this.sandboxes.list().some(({ persist, metadata }) => persist && metadata.uid === podUid) ||
      this.store.list({ podUid }).length > 0
    );
  }
}
