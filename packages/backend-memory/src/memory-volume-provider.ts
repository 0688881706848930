import {
  type CallOptions,
  type Pod,
  PodwrightError,
  throwIfAborted,
  type Volume,
  type VolumeProvider,
  type VolumeUsage,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import type { FileNode } from './machine/file-tree.js';
import { type MemoryHost, MemoryHostToken } from './memory-host.js';

const PODS_FOLDER = '/var/lib/podwright/pods';

/** Volumes on the files of a simulated machine. Sizes and media of emptyDir are taken and have no effect. */
@injectable()
export class MemoryVolumeProvider implements VolumeProvider {
  constructor(@inject(MemoryHostToken) private readonly host: MemoryHost) {}

  async setUp(pod: Pod, options?: CallOptions): Promise<ReadonlyMap<string, string>> {
    throwIfAborted(options?.signal);
    const { files } = this.host;
    // All are checked before any is made, so that a failure leaves nothing behind.
    for (const volume of pod.spec.volumes) this.#check(volume);
    const paths = new Map<string, string>();
    for (const { name, hostPath } of pod.spec.volumes) {
      const path = hostPath?.path ?? `${PODS_FOLDER}/${pod.metadata.uid}/volumes/${name}`;
      if (!hostPath || hostPath.type === 'DirectoryOrCreate') files.makeDirectory(path);
      else if (hostPath.type === 'FileOrCreate' && !files.find(path)) files.writeFile(path, '');
      paths.set(name, path);
    }
    return paths;
  }

  async update(): Promise<void> {
    throw new PodwrightError('unsupported', 'No volume of objects is there to update.');
  }

  async usage(): Promise<readonly VolumeUsage[]> {
    return [];
  }

  async tearDown(podUid: string, options?: CallOptions): Promise<void> {
    throwIfAborted(options?.signal);
    this.host.files.remove(`${PODS_FOLDER}/${podUid}`);
  }

  #check({ name, hostPath }: Volume): void {
    if (!hostPath) return;
    const { path, type } = hostPath;
    const wanted = WANTED[type];
    if (wanted === 'special') {
      throw new PodwrightError(
        'unsupported',
        `Volume ${name} asks for a ${type} at ${path}: the memory backend has files and directories only.`,
      );
    }
    const node = this.host.files.find(path);
    const isMade = type === 'DirectoryOrCreate' || type === 'FileOrCreate';
    if (!fits(node, wanted, isMade)) {
      throw new PodwrightError(
        'not-found',
        `Volume ${name} is not there: ${path} on the simulated host is ${node ? `a ${node.kind}` : 'missing'}. ` +
          'Make it with MemoryHost.files, or set hostPath.type to DirectoryOrCreate.',
        { details: { path, volume: name } },
      );
    }
  }
}

const WANTED = {
  '': undefined,
  Directory: 'directory',
  DirectoryOrCreate: 'directory',
  File: 'file',
  FileOrCreate: 'file',
  Socket: 'special',
  CharDevice: 'special',
  BlockDevice: 'special',
} as const;

function fits(
  node: FileNode | undefined,
  wanted: 'directory' | 'file' | undefined,
  isMade: boolean,
): boolean {
  return node ? wanted === undefined || node.kind === wanted : isMade;
}
