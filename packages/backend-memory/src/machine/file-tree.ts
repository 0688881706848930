/** A file operation that failed, with the words of strerror(3). */
export class FileError extends Error {
  constructor(
    readonly code: 'ENOENT' | 'ENOTDIR' | 'EISDIR' | 'EROFS' | 'EEXIST' | 'ENOTEMPTY',
    path: string,
  ) {
    super(`${path}: ${WORDS[code]}`);
  }
}

const WORDS = {
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EROFS: 'Read-only file system',
  EEXIST: 'File exists',
  ENOTEMPTY: 'Directory not empty',
};

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly entries: Map<string, FileNode>;
}

export interface RegularNode {
  readonly kind: 'file';
  data: Buffer;
}

export type FileNode = DirectoryNode | RegularNode;

export function newDirectory(): DirectoryNode {
  return { kind: 'directory', entries: new Map() };
}

/** The path without `.`, `..` and double slashes, taken from `cwd` when it is relative. */
export function absolutePath(path: string, cwd = '/'): string {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${cwd}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** Directories and files in memory; permissions and links are not simulated. Paths are absolute. */
export class FileTree {
  constructor(readonly root: DirectoryNode = newDirectory()) {}

  find(path: string): FileNode | undefined {
    let node: FileNode | undefined = this.root;
    for (const part of parts(path)) {
      if (node?.kind !== 'directory') return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  /** @throws FileError */
  get(path: string): FileNode {
    const node = this.find(path);
    if (!node) throw new FileError('ENOENT', path);
    return node;
  }

  /** Makes a directory and those above it; one that is there already is given back. @throws FileError */
  makeDirectory(path: string): DirectoryNode {
    let node = this.root;
    for (const part of parts(path)) {
      const next: FileNode = node.entries.get(part) ?? newDirectory();
      if (next.kind !== 'directory') throw new FileError('ENOTDIR', path);
      node.entries.set(part, next);
      node = next;
    }
    return node;
  }

  /** The file, made empty when it is not there. @throws FileError */
  openForWriting(path: string): RegularNode {
    const { parent, name } = this.#parentOf(path);
    const node: FileNode = parent.entries.get(name) ?? { kind: 'file', data: Buffer.alloc(0) };
    if (node.kind === 'directory') throw new FileError('EISDIR', path);
    parent.entries.set(name, node);
    return node;
  }

  /** Writes a file and makes the directories above it. @throws FileError */
  writeFile(path: string, data: Buffer | string): void {
    this.makeDirectory(path.slice(0, path.lastIndexOf('/')));
    this.openForWriting(path).data = Buffer.from(data);
  }

  /** @throws FileError */
  readFile(path: string): Buffer {
    const node = this.get(path);
    if (node.kind === 'directory') throw new FileError('EISDIR', path);
    return node.data;
  }

  /** Removes a file, or a directory with all that is in it. Of what is gone: nothing. */
  remove(path: string): void {
    const parent = this.find(path.slice(0, path.lastIndexOf('/')));
    if (parent?.kind === 'directory') parent.entries.delete(path.slice(path.lastIndexOf('/') + 1));
  }

  /** Gives a file or directory another path; what was there is replaced. @throws FileError */
  rename(from: string, to: string): void {
    const node = this.get(from);
    const { parent, name } = this.#parentOf(to);
    this.remove(from);
    parent.entries.set(name, node);
  }

  /** Copies all files of another tree into this one. */
  copyFrom(other: DirectoryNode, into: DirectoryNode = this.root): void {
    for (const [name, node] of other.entries) {
      if (node.kind === 'file') {
        into.entries.set(name, { kind: 'file', data: node.data });
        continue;
      }
      const present = into.entries.get(name);
      const directory = present?.kind === 'directory' ? present : newDirectory();
      into.entries.set(name, directory);
      this.copyFrom(node, directory);
    }
  }

  #parentOf(path: string): { parent: DirectoryNode; name: string } {
    const slash = path.lastIndexOf('/');
    const parent = this.get(path.slice(0, slash));
    if (parent.kind !== 'directory') throw new FileError('ENOTDIR', path);
    return { parent, name: path.slice(slash + 1) };
  }
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}
