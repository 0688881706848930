import {
  type CallOptions,
  type Pod,
  PodwrightError,
  throwIfAborted,
  type Volume,
  type VolumeFile,
  type VolumeProvider,
  type VolumeSetUpOptions,
  type VolumeUsage,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { type DirectoryNode, type FileNode, FileTree, newDirectory } from './machine/file-tree.js';
import { sizeOf } from './machine/node-size.js';
import { type MemoryHost, MemoryHostToken } from './memory-host.js';
import { refusal } from './pod/unsupported.js';
import { unsupportedFields } from './unsupported-fields.js';

const PODS_FOLDER = '/var/lib/podwright/pods';

/**
 * Volumes on the files of a simulated machine. Sizes and media of emptyDir, owners and modes are taken and have no
 * effect.
 */
@injectable()
export class MemoryVolumeProvider implements VolumeProvider {
  constructor(@inject(MemoryHostToken) private readonly host: MemoryHost) {}

  async setUp(pod: Pod, options: VolumeSetUpOptions = {}): Promise<ReadonlyMap<string, string>> {
    throwIfAborted(options.signal);
    const { uid } = pod.metadata;
    // All are checked before any is made, so that a failure leaves nothing behind.
    for (const volume of pod.spec.volumes) this.#check(volume, options);
    return new Map(pod.spec.volumes.map((volume) => [volume.name, this.#make(uid, volume, options)]));
  }

  async update(
    { metadata: { uid } }: Pod,
    volume: string,
    files: readonly VolumeFile[],
    options?: CallOptions,
  ): Promise<void> {
    throwIfAborted(options?.signal);
    const directory = this.host.files.find(pathOf(uid, volume));
    if (directory?.kind !== 'directory') {
      throw new PodwrightError('not-found', `The pod ${uid} has no volume ${volume} made of objects.`, {
        details: { uid, volume },
      });
    }
    write(directory, files);
  }

  async usage(podUid: string, options?: CallOptions): Promise<readonly VolumeUsage[]> {
    throwIfAborted(options?.signal);
    const directory = this.host.files.find(pathOf(podUid));
    if (directory?.kind !== 'directory') return [];
    return [...directory.entries]
      .filter(([name]) => !this.host.imageVolumes.has(pathOf(podUid, name)))
      .map(([name, node]) => ({ name, ...sizeOf(node) }));
  }

  async pods(): Promise<readonly string[]> {
    const directory = this.host.files.find(PODS_FOLDER);
    return directory?.kind === 'directory' ? [...directory.entries.keys()] : [];
  }

  async tearDown(podUid: string, options?: CallOptions): Promise<void> {
    throwIfAborted(options?.signal);
    this.host.files.remove(`${PODS_FOLDER}/${podUid}`);
    for (const path of this.host.imageVolumes.keys()) {
      if (path.startsWith(`${pathOf(podUid)}/`)) this.host.imageVolumes.delete(path);
    }
  }

  #make(uid: string, { name, hostPath, image }: Volume, { files: given }: VolumeSetUpOptions): string {
    const { files } = this.host;
    if (hostPath) {
      const { path, type } = hostPath;
      if (type === 'DirectoryOrCreate') files.makeDirectory(path);
      else if (type === 'FileOrCreate' && !files.find(path)) files.writeFile(path, '');
      return path;
    }
    const path = pathOf(uid, name);
    const before = this.host.imageVolumes.get(path);
    if (before && before.reference !== image?.reference) files.remove(path);
    const isNew = files.find(path) === undefined;
    const directory = files.makeDirectory(path);
    const content = given?.get(name);
    if (content) write(directory, content);
    const found = image && this.host.images.find(image.reference);
    if (found && isNew) {
      new FileTree(directory).copyFrom(found.root);
      this.host.imageVolumes.set(path, { id: found.id, reference: image.reference });
    }
    return path;
  }

  #check({ name, hostPath, emptyDir, image }: Volume, { files }: VolumeSetUpOptions): void {
    if (hostPath) this.#checkHostPath(name, hostPath);
    else if (image && !this.host.images.find(image.reference)) {
      throw new PodwrightError(
        'image-not-found',
        `The image ${image.reference} of volume ${name} is not in the store. Pull it first.`,
        { details: { image: image.reference } },
      );
    } else if (!image && !emptyDir && !files?.has(name)) {
      throw new PodwrightError('internal', `Volume ${name}: its files were not given.`);
    }
  }

  #checkHostPath(name: string, { path, type }: NonNullable<Volume['hostPath']>): void {
    const wanted = WANTED[type];
    if (wanted === 'special') {
      throw refusal(unsupportedFields.specialFiles, `the ${type} at ${path}, which volume ${name} asks for`);
    }
    const node = this.host.files.find(path);
    const isMade = type === 'DirectoryOrCreate' || type === 'FileOrCreate';
    if (!fits(node, wanted, isMade)) {
      throw new PodwrightError(
        node ? 'failed-precondition' : 'not-found',
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

function pathOf(uid: string, volume?: string): string {
  return `${PODS_FOLDER}/${uid}/volumes${volume === undefined ? '' : `/${volume}`}`;
}

/** Gives a directory new content, in one step: whoever has a file or a directory of the old content keeps that. */
function write(directory: DirectoryNode, files: readonly VolumeFile[]): void {
  const tree = new FileTree(newDirectory());
  for (const { path, content } of files) tree.writeFile(`/${path}`, content);
  directory.entries.clear();
  for (const [name, node] of tree.root.entries) directory.entries.set(name, node);
}

function fits(
  node: FileNode | undefined,
  wanted: 'directory' | 'file' | undefined,
  isMade: boolean,
): boolean {
  return node ? wanted === undefined || node.kind === wanted : isMade;
}
