import { chmod, mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  Logger,
  messageOf,
  type Pod,
  PodwrightError,
  quantityBytes,
  systemErrorCode,
  throwIfAborted,
  UndoStack,
  type Volume,
  VolumeProvider,
  type VolumeUsage,
} from '@podwright/core';
import { HostExecutor, Mounter } from '@podwright/nsenter';
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
    @inject(Mounter) private readonly mounter: Mounter,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async setUp(pod: Pod, options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    const paths = new Map<string, string>();
    // Only what this call makes: a pod that runs may have had its volumes before.
    const undo = new UndoStack();
    try {
      for (const volume of pod.spec.volumes) {
        throwIfAborted(options.signal);
        paths.set(volume.name, await this.make(pod, volume, options, undo));
      }
      return paths;
    } catch (error) {
      for (const { what, error: cause } of await undo.undo()) {
        this.logger.error(
          `After a volume of a pod failed, ${what} could not be removed: ${messageOf(cause)}`,
        );
      }
      throw error;
    }
  }

  async update(): Promise<void> {
    throw new PodwrightError('unsupported', 'No volume of objects is there to update.');
  }

  async usage(): Promise<readonly VolumeUsage[]> {
    return [];
  }

  async tearDown(podUid: string, options: CallOptions = {}): Promise<void> {
    for (const directory of [this.layout.memoryVolumesDir, this.layout.volumesDir]) {
      await this.removeTree(join(directory, podUid), options);
    }
  }

  /**
   * What is mounted there is unmounted first: tmpfs of our own, and what a container with a bidirectional mount left.
   * Should that fail nothing is removed, because it would be the content of something else.
   */
  private async removeTree(path: string, options: CallOptions): Promise<void> {
    await this.mounter.unmountTree(path, options);
    await rm(this.host.hostPath(path), { recursive: true, force: true });
  }

  private async make(pod: Pod, volume: Volume, options: CallOptions, undo: UndoStack): Promise<string> {
    if (volume.hostPath) return await this.checkHostPath(volume.name, volume.hostPath);
    const { medium, sizeLimit } = volume.emptyDir ?? { medium: '' };
    const directory = medium === 'Memory' ? this.layout.memoryVolumesDir : this.layout.volumesDir;
    const path = join(directory, pod.metadata.uid, volume.name);
    if (medium === 'Memory') {
      await this.makeDirectory(directory, path, undo);
      await this.mountTmpfs(path, sizeLimit, options);
      return path;
    }
    if (sizeLimit !== undefined) {
      throw new PodwrightError(
        'unsupported',
        `Volume "${volume.name}": sizeLimit of an emptyDir on disk is not enforced by this backend yet. Leave it out, or ` +
          'use medium: Memory, where it is.',
      );
    }
    await this.makeDirectory(directory, path, undo);
    return path;
  }

  /** Everybody in the pod may write there, as in Kubernetes. */
  private async makeDirectory(parent: string, path: string, undo: UndoStack): Promise<void> {
    // Apart, because it is not undone: other pods have theirs there.
    await mkdir(this.host.hostPath(parent), { recursive: true });
    const seen = this.host.hostPath(path);
    const first = await mkdir(seen, { recursive: true });
    if (first === undefined) return;
    // Removed from the first directory made, so that nothing is left of a pod that never had a volume.
    const made = path.slice(0, path.length - (seen.length - first.length));
    undo.push(`the directory ${made}`, () => this.removeTree(made, {}));
    await chmod(seen, 0o777);
  }

  private async mountTmpfs(path: string, sizeLimit: string | undefined, options: CallOptions): Promise<void> {
    if (await this.mounter.isMountPoint(path)) return;
    const size = sizeLimit === undefined ? [] : [`size=${quantityBytes(sizeLimit)}`];
    await this.mounter.mount('tmpfs', path, 'tmpfs', ['mode=0777', 'nosuid', 'nodev', ...size], options);
  }

  private async checkHostPath(name: string, volume: NonNullable<Volume['hostPath']>): Promise<string> {
    const seen = this.host.hostPath(volume.path);
    const expected = EXPECTED[volume.type];
    try {
      if (volume.type === 'DirectoryOrCreate') await mkdir(seen, { recursive: true, mode: 0o755 });
      if (volume.type === 'FileOrCreate') await createFile(seen);
      const stats = await stat(seen);
      if (expected === undefined || expected.test(stats)) return volume.path;
    } catch (cause) {
      // With an empty type the kubelet checks nothing and the runtime makes a directory; a missing path is a mistake.
      throw hostPathError(name, volume.path, cause);
    }
    throw new PodwrightError(
      'failed-precondition',
      `Volume "${name}": hostPath ${volume.path} is not ${expected.is}, as its type ${volume.type} asks.`,
      { details: { path: volume.path } },
    );
  }
}

/** An empty one; what is there already stays, whatever it is. */
async function createFile(path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o644)).close();
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  }
}

function hostPathError(name: string, path: string, cause: unknown): PodwrightError {
  const code = systemErrorCode(cause);
  const details = { path, code };
  const what = `Volume "${name}": hostPath ${path} cannot be used: ${messageOf(cause)}`;
  if (code === 'ENOENT') {
    return new PodwrightError('not-found', `${what}. Create it, or use the type DirectoryOrCreate.`, {
      cause,
      details,
    });
  }
  return new PodwrightError(code === 'ENOSPC' ? 'no-space' : 'failed-precondition', what, { cause, details });
}
