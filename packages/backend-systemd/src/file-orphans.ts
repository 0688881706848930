import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Orphan, type OrphanOptions, VolumeProvider } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { ignoreMissing } from './files.js';
import { HostLayout } from './host-layout.js';

const CONTAINER_ID = /^[0-9a-f]{64}$/;

/** Finds directories of containers that are not there, and volumes of pods that are not there. */
@injectable()
export class FileOrphans {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(VolumeProvider) private readonly volumes: VolumeProvider,
  ) {}

  async ofContainers(): Promise<readonly Orphan[]> {
    const { containersRunDir, runtimeRoot, rootfsDir } = this.layout;
    const found = await Promise.all(
      [containersRunDir, runtimeRoot, rootfsDir].map(async (parent) => ({
        parent,
        names: await this.names(parent),
      })),
    );
    const unfinished = await this.store.unfinished();
    // Read last: what was made for a container before has its directory by now.
    const inUse = await this.store.idsInUse();
    const orphans: Orphan[] = [];
    for (const { parent, names } of found) {
      for (const name of names) {
        const id = name.replace(/\.stage$/, '');
        if (!CONTAINER_ID.test(id) || inUse.has(id)) continue;
        const path = join(parent, name);
        orphans.push({
          what: `directory ${path}`,
          remove: async () => {
            if ((await this.store.idsInUse()).has(id)) return;
            // Should a root file system ever be mounted there, its volumes are not ours to empty.
            if (parent === rootfsDir) await ignoreMissing(rmdir(this.host.hostPath(path)));
            else await rm(this.host.hostPath(path), { recursive: true, force: true });
          },
        });
      }
    }
    const halves = unfinished.map((name) => ({
      what: `directory ${join(this.layout.containersDir, name)}`,
      remove: () => this.store.removeUnfinished(name),
    }));
    return [...orphans, ...halves];
  }

  async volumesOfPods(isKnownPod: OrphanOptions['isKnownPod']): Promise<readonly Orphan[]> {
    if (isKnownPod === undefined || this.volumes.pods === undefined) return [];
    const orphans: Orphan[] = [];
    for (const uid of await this.volumes.pods()) {
      if (await isKnownPod(uid)) continue;
      orphans.push({
        what: `volumes of pod ${uid}`,
        remove: async () => {
          if (!(await isKnownPod(uid))) await this.volumes.tearDown(uid);
        },
      });
    }
    return orphans;
  }

  private async names(directory: string): Promise<readonly string[]> {
    return (await ignoreMissing(readdir(this.host.hostPath(directory)))) ?? [];
  }
}
