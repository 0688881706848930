import { chmod, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  messageOf,
  type Pod,
  PodwrightError,
  quantityBytes,
  type Volume,
  VolumeProvider,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { HostLayout } from './host-layout.js';

type HostPathType = NonNullable<Volume['hostPath']>['type'];

/** What has to be at a hostPath, by its type. @see Kubernetes' HostPathVolumeSource */
const EXPECTED: Readonly<
  Record<HostPathType, { is: string; test: (stats: FileKind) => boolean } | undefined>
> = {
  '': undefined,
  Directory: { is: 'a directory', test: (stats) => stats.isDirectory() },
  DirectoryOrCreate: { is: 'a directory', test: (stats) => stats.isDirectory() },
  File: { is: 'a file', test: (stats) => stats.isFile() },
  FileOrCreate: { is: 'a file', test: (stats) => stats.isFile() },
  Socket: { is: 'a unix socket', test: (stats) => stats.isSocket() },
  CharDevice: { is: 'a character device', test: (stats) => stats.isCharacterDevice() },
  BlockDevice: { is: 'a block device', test: (stats) => stats.isBlockDevice() },
};

interface FileKind {
  isDirectory(): boolean;
  isFile(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

/**
 * hostPath and emptyDir volumes on the backend's host. A disk-backed emptyDir lies under the state directory and lives
 * as long as its pod; one in memory is a tmpfs under the run directory.
 */
@injectable()
export class HostVolumeProvider implements VolumeProvider {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
  ) {}

  async setUp(pod: Pod, options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    const paths = new Map<string, string>();
    try {
      for (const volume of pod.spec.volumes) paths.set(volume.name, await this.make(pod, volume, options));
      return paths;
    } catch (error) {
      await this.tearDown(pod.metadata.uid);
      throw error;
    }
  }

  async tearDown(podUid: string, options: CallOptions = {}): Promise<void> {
    const memory = join(this.layout.memoryVolumesDir, podUid);
    for (const name of await this.namesIn(memory)) {
      await this.host.run({
        command: 'umount',
        args: [join(memory, name)],
        ...options,
        okExitCodes: [0, 32],
      });
    }
    await rm(this.host.hostPath(memory), { recursive: true, force: true });
    await rm(this.host.hostPath(join(this.layout.volumesDir, podUid)), { recursive: true, force: true });
  }

  private async make(pod: Pod, volume: Volume, options: CallOptions): Promise<string> {
    if (volume.hostPath) return await this.checkHostPath(volume.name, volume.hostPath);
    const { medium, sizeLimit } = volume.emptyDir ?? { medium: '' };
    if (medium === 'Memory') return await this.makeTmpfs(pod.metadata.uid, volume.name, sizeLimit, options);
    if (sizeLimit !== undefined) {
      throw new PodwrightError(
        'unsupported',
        `Volume "${volume.name}": sizeLimit of an emptyDir on disk is not enforced by this backend yet. Leave it out, or ` +
          'use medium: Memory, where it is.',
      );
    }
    const path = join(this.layout.volumesDir, pod.metadata.uid, volume.name);
    await this.makeDirectory(path);
    return path;
  }

  /** Everybody in the pod may write there, as in Kubernetes. */
  private async makeDirectory(path: string): Promise<void> {
    await mkdir(this.host.hostPath(path), { recursive: true });
    await chmod(this.host.hostPath(path), 0o777);
  }

  private async makeTmpfs(
    podUid: string,
    name: string,
    sizeLimit: string | undefined,
    options: CallOptions,
  ): Promise<string> {
    const path = join(this.layout.memoryVolumesDir, podUid, name);
    await this.makeDirectory(path);
    const mounted = await this.host.run({ command: 'mountpoint', args: ['-q', path], okExitCodes: 'any' });
    if (mounted.exitCode === 0) return path;
    const size = sizeLimit === undefined ? '' : `,size=${quantityBytes(sizeLimit)}`;
    await this.host.run({
      command: 'mount',
      args: ['-t', 'tmpfs', '-o', `mode=0777,nosuid,nodev${size}`, 'tmpfs', path],
      ...options,
    });
    return path;
  }

  private async checkHostPath(name: string, volume: NonNullable<Volume['hostPath']>): Promise<string> {
    const seen = this.host.hostPath(volume.path);
    const expected = EXPECTED[volume.type];
    if (volume.type === 'DirectoryOrCreate') await mkdir(seen, { recursive: true, mode: 0o755 });
    if (volume.type === 'FileOrCreate') await (await open(seen, 'a', 0o644)).close();
    try {
      const stats = await stat(seen);
      if (expected === undefined || expected.test(stats)) return volume.path;
    } catch (cause) {
      // With an empty type the kubelet checks nothing and the runtime makes a directory; a missing path is a mistake.
      throw new PodwrightError(
        'not-found',
        `Volume "${name}": hostPath ${volume.path} cannot be used: ${messageOf(cause)}. Create it, or use the type ` +
          'DirectoryOrCreate.',
        { cause, details: { path: volume.path } },
      );
    }
    throw new PodwrightError(
      'failed-precondition',
      `Volume "${name}": hostPath ${volume.path} is not ${expected.is}, as its type ${volume.type} asks.`,
      { details: { path: volume.path } },
    );
  }

  private async namesIn(path: string): Promise<string[]> {
    return await readdir(this.host.hostPath(path)).catch(() => []);
  }
}
