import type { HostProgram } from '@podwright/nsenter';

/** What `SkopeoImageService` runs. The oldest skopeo that it was run with is Debian 12's. */
export const IMAGE_SERVICE_PROGRAMS: readonly HostProgram[] = [
  { name: 'skopeo', debianPackage: 'skopeo', version: { args: ['--version'], minimum: '1.9' } },
  { name: 'tar', debianPackage: 'tar', version: { args: ['--version'] } },
  { name: 'realpath', debianPackage: 'coreutils' },
];

/** What `ContainersStorageImageStore` runs. */
export const IMAGE_STORE_PROGRAMS: readonly HostProgram[] = [
  { name: 'containers-storage', debianPackage: 'containers-storage', version: { args: ['version'] } },
  { name: 'du', debianPackage: 'coreutils' },
];
