import { readFile, writeFile } from 'node:fs/promises';
import { Logger, messageOf } from '@podwright/core';
import { inject, injectable } from 'inversify';

/**
 * Takes the kernel's wait for its cgroup lock while a start still has other things to do.
 *
 * systemd moves each process that it starts into its unit's cgroup. After a calm, the first such move on a host waits
 * for an RCU grace period, 8 to 20 ms (`cgroup_threadgroup_rwsem`, kernel/cgroup/cgroup.c), and those that follow soon
 * do not wait. So this process, which knows that a start is coming, is moved to the cgroup it is in: nothing changes,
 * and the wait is over before systemd comes to its own move. docs/decisions/0013-cgroup-lock.md has the numbers.
 */
@injectable()
export class CgroupLock {
  private path: string | undefined;
  private moving = false;
  private isRefused = false;

  constructor(@inject(Logger) private readonly logger: Logger) {}

  /** Does not wait, and does not fail: without it a start is slower, and nothing else. */
  warm(): void {
    if (this.moving || this.isRefused) return;
    this.moving = true;
    this.moveSelf()
      .catch((error: unknown) => {
        this.isRefused = true;
        this.logger.debug('starts wait for the cgroup lock: this process may not write to its own cgroup', {
          reason: messageOf(error),
        });
      })
      .finally(() => {
        this.moving = false;
      });
  }

  private async moveSelf(): Promise<void> {
    this.path ??= ownCgroupFile(await readFile('/proc/self/cgroup', 'utf8'));
    await writeFile(this.path, String(process.pid), { flag: 'r+' });
  }
}

/**
 * The file `cgroup.procs` of a process's cgroup, where systemd mounts it: of version 1 in systemd's own hierarchy, which
 * has no controller that could mind the move.
 * @param text of `/proc/<pid>/cgroup`, cgroups(7)
 */
export function ownCgroupFile(text: string): string {
  const pathOf = (pattern: RegExp) => pattern.exec(text)?.[1]?.replace(/\/$/, '');
  const named = pathOf(/^\d+:name=systemd:(.*)$/m);
  return named === undefined
    ? `/sys/fs/cgroup${pathOf(/^0::(.*)$/m) ?? ''}/cgroup.procs`
    : `/sys/fs/cgroup/systemd${named}/cgroup.procs`;
}
