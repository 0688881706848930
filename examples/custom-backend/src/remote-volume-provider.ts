import type { CallOptions, Pod, VolumeFile, VolumeProvider, VolumeUsage } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { RemoteHost } from './remote-host.js';

/** Volumes on the far side, where the containers are. */
@injectable()
export class RemoteVolumeProvider implements VolumeProvider {
  constructor(@inject(RemoteHost) private readonly host: RemoteHost) {}

  setUp(pod: Pod, options?: CallOptions): Promise<ReadonlyMap<string, string>> {
    return this.host.call('volumes', 'setUp', pod, options);
  }

  update(pod: Pod, volume: string, files: readonly VolumeFile[], options?: CallOptions): Promise<void> {
    return this.host.call('volumes', 'update', pod, volume, files, options);
  }

  usage(podUid: string, options?: CallOptions): Promise<readonly VolumeUsage[]> {
    return this.host.call('volumes', 'usage', podUid, options);
  }

  tearDown(podUid: string, options?: CallOptions): Promise<void> {
    return this.host.call('volumes', 'tearDown', podUid, options);
  }
}
