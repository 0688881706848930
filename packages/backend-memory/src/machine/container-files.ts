import { absolutePath, type DirectoryNode, FileError, type FileNode, FileTree } from './file-tree.js';

export interface FileMount {
  /** Absolute path in the container. */
  readonly containerPath: string;
  /** Directory or file of the host. */
  readonly node: FileNode;
  readonly readOnly: boolean;
}

/** What a container sees: its own root directory with directories and files of the host mounted in it. */
export class ContainerFiles {
  readonly #mounts: readonly FileMount[];

  constructor(
    private readonly root: FileTree,
    private readonly readOnlyRoot: boolean,
    mounts: readonly FileMount[],
  ) {
    this.#mounts = [...mounts]
      .map((mount) => ({ ...mount, containerPath: absolutePath(mount.containerPath) }))
      .sort((a, b) => b.containerPath.length - a.containerPath.length);
    // Mount points are directories of the container too, so that they are seen when listing.
    for (const mount of this.#mounts) {
      if (mount.node.kind === 'directory') root.makeDirectory(mount.containerPath);
      else if (!root.find(mount.containerPath)) root.writeFile(mount.containerPath, '');
    }
  }

  find(path: string): FileNode | undefined {
    const place = this.#place(path);
    return place.rest === '' ? place.node : new FileTree(asDirectory(place.node, path)).find(place.rest);
  }

  readFile(path: string): Buffer {
    const node = this.find(path);
    if (!node) throw new FileError('ENOENT', path);
    if (node.kind === 'directory') throw new FileError('EISDIR', path);
    return node.data;
  }

  /** @throws FileError */
  write(path: string, data: Buffer, append: boolean): void {
    const place = this.#writable(path);
    const file =
      place.node.kind === 'file'
        ? place.node
        : new FileTree(place.node).openForWriting(place.rest === '' ? '/' : place.rest);
    file.data = append ? Buffer.concat([file.data, data]) : Buffer.from(data);
  }

  makeDirectory(path: string): void {
    const place = this.#writable(path);
    new FileTree(asDirectory(place.node, path)).makeDirectory(place.rest);
  }

  remove(path: string): void {
    const place = this.#writable(path);
    new FileTree(asDirectory(place.node, path)).remove(place.rest);
  }

  /** @throws FileError */
  list(path: string): readonly string[] {
    const node = this.find(path);
    if (!node) throw new FileError('ENOENT', path);
    return node.kind === 'file' ? [path] : [...node.entries.keys()].sort();
  }

  #writable(path: string) {
    const place = this.#place(path);
    if (place.readOnly) throw new FileError('EROFS', path);
    return place;
  }

  #place(path: string): { node: FileNode; rest: string; readOnly: boolean } {
    const clean = absolutePath(path);
    for (const mount of this.#mounts) {
      if (clean === mount.containerPath) return { node: mount.node, rest: '', readOnly: mount.readOnly };
      if (clean.startsWith(`${mount.containerPath === '/' ? '' : mount.containerPath}/`)) {
        return { node: mount.node, rest: clean.slice(mount.containerPath.length), readOnly: mount.readOnly };
      }
    }
    return { node: this.root.root, rest: clean === '/' ? '' : clean, readOnly: this.readOnlyRoot };
  }
}

function asDirectory(node: FileNode, path: string): DirectoryNode {
  if (node.kind === 'file') throw new FileError('ENOTDIR', path);
  return node;
}
