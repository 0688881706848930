import { type Mount, PodwrightError } from '@podwright/core';
import { HostExecutor, Mounter, mountOf } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';

/** Whether the mounts on which volumes lie let others travel, as the volumes ask for it (mount_namespaces(7)). */
@injectable()
export class MountSharing {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(Mounter) private readonly mounter: Mounter,
  ) {}

  /**
   * Without it such a volume would be mounted, and what is mounted later never seen on the other side.
   * @throws PodwrightError kind `failed-precondition`
   */
  async check(mounts: readonly Mount[]): Promise<void> {
    const asking = mounts.filter(({ propagation = 'private' }) => propagation !== 'private');
    if (asking.length === 0) return;
    const table = await this.mounter.list();
    const paths = asking.map(({ hostPath }) => hostPath);
    // Also of what is not there yet: a directory may be made for it.
    const args = ['--zero', '--canonicalize-missing', '--', ...paths];
    const { stdout } = await this.host.run({ command: 'realpath', args });
    const real = stdout.toString().split('\0');
    for (const [index, { hostPath, propagation, containerPath }] of asking.entries()) {
      const below = mountOf(table, real[index] ?? hostPath);
      const { peerGroup, masterGroup } = below?.propagation ?? {};
      const isReached = peerGroup !== undefined || masterGroup !== undefined;
      if (propagation === 'bidirectional' ? peerGroup !== undefined : isReached) continue;
      throw new PodwrightError(
        'failed-precondition',
        `The volume at ${containerPath} cannot have the propagation ${propagation}: ${hostPath} lies on the mount ` +
          `${below?.path ?? '/'} of the host, which is private. Make it shared (mount --make-shared ${below?.path ?? '/'}), or use another propagation.`,
        { details: { hostPath, mountPoint: below?.path } },
      );
    }
  }
}
