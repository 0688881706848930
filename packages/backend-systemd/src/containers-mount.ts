import { mkdir, statfs } from 'node:fs/promises';
import { Logger } from '@podwright/core';
import { HostExecutor, Mounter } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ContainerStore } from './container-store.js';
import { HostLayout } from './host-layout.js';

/** OVERLAYFS_SUPER_MAGIC (statfs(2)). */
const OVERLAY = 0x794c7630;
/** How the mount table tells that it is ours. */
const SOURCE = 'podwright-containers';

/** Whether a writable layer can lie on a file system: an overlay takes no upper directory on another one. */
export function takesLayers(fileSystemType: number): boolean {
  return fileSystemType !== OVERLAY;
}

/**
 * Where the root of the host is an overlay itself, as on live systems and on machines that are containers, the
 * directory of containers gets a tmpfs of its own: they then do not outlive a reboot, but they run.
 */
@injectable()
export class ContainersMount {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(Mounter) private readonly mounter: Mounter,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Makes the directory, and sees to it that it can have writable layers. */
  async ensure(): Promise<void> {
    const path = this.layout.containersDir;
    const reached = this.host.hostPath(path);
    await mkdir(reached, { recursive: true, mode: 0o700 });
    if (takesLayers((await statfs(reached)).type)) return;
    await this.mounter.mount(SOURCE, path, 'tmpfs', ['mode=0700']);
    this.logger.warn(
      `${path} lies on an overlay, which takes no writable layers of containers: a tmpfs is mounted there, and containers do not outlive a reboot. For others use a state directory on a disk`,
    );
  }

  /** Takes the tmpfs away when no container is left. */
  async release(): Promise<void> {
    if (this.store.list().length > 0) return;
    const path = this.layout.containersDir;
    if ((await this.mounter.getMount(path))?.device === SOURCE) await this.mounter.unmountIfMounted(path);
  }
}
