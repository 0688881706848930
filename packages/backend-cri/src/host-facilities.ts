import { access } from 'node:fs/promises';
import { injectable } from 'inversify';
import { textIfThere } from './text-if-there.js';

/** What the kernel of the runtime's host has; looked at when it is asked for. */
@injectable()
export class HostFacilities {
  async appArmor(): Promise<boolean> {
    return (await textIfThere('/sys/module/apparmor/parameters/enabled')).startsWith('Y');
  }

  async seLinux(): Promise<boolean> {
    return await exists('/sys/fs/selinux/enforce');
  }

  /** The unified cgroup hierarchy (v2) with controllers, not the hybrid one. */
  async unified(): Promise<boolean> {
    return (await textIfThere('/sys/fs/cgroup/cgroup.controllers')) !== '';
  }

  async hugePages(): Promise<boolean> {
    const controllers = await textIfThere('/sys/fs/cgroup/cgroup.controllers');
    return controllers.split(/\s/).includes('hugetlb') || (await exists('/sys/fs/cgroup/hugetlb'));
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
