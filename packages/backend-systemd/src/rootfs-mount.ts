import { mkdirSync, statSync } from 'node:fs';
import { mkdir, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KeyedMutex } from '@podwright/core';
import { HostExecutor, Mounter } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { HostLayout } from './host-layout.js';
import { RuntimeMount } from './runtime-mount.js';

const KEY = 'rootfs';

/**
 * One private tmpfs below which units mount root file systems: a mount there in a unit's own mount namespace is seen by
 * nobody else, while volumes keep their propagation. It is made for the first container, and taken away by the agent
 * that leaves none.
 */
@injectable()
export class RootfsMount {
  private readonly mutex = new KeyedMutex();
  /** Number of the device that was found mounted there, and private. */
  private device: number | undefined;

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(Mounter) private readonly mounter: Mounter,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(RuntimeMount) private readonly runtime: RuntimeMount,
  ) {}

  /** Makes sure that it is there, with the OCI runtime and the directory of a container. */
  async ensure(containerId: string): Promise<void> {
    const directory = this.host.hostPath(this.layout.container(containerId).rootfs);
    await this.mutex.run(KEY, async () => {
      if (!this.isStillThere()) await this.mount();
      await this.runtime.ensure();
      mkdirSync(directory, { recursive: true });
    });
  }

  /** Whether what was mounted before is: a look at two directories instead of the mount table at each start. */
  private isStillThere(): boolean {
    if (this.device === undefined) return false;
    const path = this.host.hostPath(this.layout.rootfsDir);
    const device = statSync(path, { throwIfNoEntry: false })?.dev;
    return device === this.device && device !== statSync(dirname(path)).dev;
  }

  private async mount(): Promise<void> {
    const path = this.layout.rootfsDir;
    const there = await this.mounter.getMount(path);
    if (there === undefined) {
      await mkdir(this.host.hostPath(path), { recursive: true, mode: 0o700 });
      const options = ['mode=0700', 'size=16m', 'nosuid', 'nodev', 'private'];
      await this.mounter.mount('podwright-rootfs', path, 'tmpfs', options);
    } else if (there.propagation.peerGroup !== undefined) {
      // An agent may have ended between the mount and the step that makes it private.
      await this.mounter.setPropagation(path, 'private');
    }
    this.device = statSync(this.host.hostPath(path), { throwIfNoEntry: false })?.dev;
  }

  /** Takes it away when no container is left. */
  async release(): Promise<void> {
    await this.mutex.run(KEY, async () => {
      if (this.store.list().length > 0) return;
      await this.runtime.release();
      if (!(await this.mounter.unmountIfMounted(this.layout.rootfsDir))) return;
      await rmdir(this.host.hostPath(this.layout.rootfsDir));
    });
  }
}
