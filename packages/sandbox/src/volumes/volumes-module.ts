import { VolumeProvider } from '@podwright/core';
import { ContainerModule } from 'inversify';
import { DiskUsage } from './disk-usage.js';
import { HostVolumeProvider } from './host-volume-provider.js';
import { VolumePaths } from './volume-paths.js';

/** Binds `VolumeProvider` and `DiskUsage`. Needs `HostExecutor`, `Mounter`, `VolumeImages`, `Logger` and `Clock`. */
export function volumesModule(paths: VolumePaths): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(VolumePaths).toConstantValue(paths);
    bind(DiskUsage).toSelf().inSingletonScope();
    bind(VolumeProvider).to(HostVolumeProvider).inSingletonScope();
  });
}
