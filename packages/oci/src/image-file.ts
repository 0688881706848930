import { type FileHandle, lstat, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';

/** Links followed before one is taken for a loop: the kernel's own number (path_resolution(7)). */
const MAX_LINKS = 40;
const DEFAULT_LIMIT_BYTES = 4 * 1024 * 1024;

export interface ImageFileOptions {
  /** Whether a directory of a layer hides those of the layers below it; see `opaqueDirectories`. */
  readonly isOpaque: (directory: string) => Promise<boolean>;
  /** A larger file is an error; default 4 MiB. */
  readonly limitBytes?: number;
}

/**
 * Reads a regular file out of an image's layers as overlayfs would show it, without a mount: whiteouts and opaque
 * directories hide what is below, and symbolic links are followed inside the image only.
 * @param lowerDirs the layers' directories as this process reaches them, the uppermost first
 * @param path inside the image
 * @returns undefined when the image has no such file
 * @throws PodwrightError kind `invalid-argument` for a loop of links or for a file that is too large or not a regular one
 */
export async function readImageFile(
  lowerDirs: readonly string[],
  path: string,
  options: ImageFileOptions,
): Promise<Buffer | undefined> {
  const fail = (why: string): never => {
    throw new PodwrightError('invalid-argument', `The image's ${path} cannot be read: ${why}.`, {
      details: { path },
    });
  };
  const pending = components(path);
  // Each directory on the way with the layers that make it up; the last one is where we are.
  const walked: MergedDirectory[] = [{ path: '/', layers: lowerDirs }];
  for (let links = 0; ; ) {
    const name = pending.shift();
    if (name === undefined) return fail('it is a directory');
    if (name === '..') {
      if (walked.length > 1) walked.pop();
      continue;
    }
    const here = walked.at(-1);
    if (here === undefined) return undefined;
    const entry = await lookUp(here, name, options.isOpaque);
    if (entry.type === 'directory') {
      walked.push({ path: join(here.path, name), layers: entry.layers });
    } else if (entry.type === 'link') {
      if (++links > MAX_LINKS) return fail('its symbolic links are a loop');
      if (entry.target.startsWith('/')) walked.splice(1);
      pending.unshift(...components(entry.target));
    } else if (entry.type === 'absent' || pending.length > 0) {
      return undefined;
    } else if (entry.type === 'file') {
      return await readWhole(entry.path, options.limitBytes ?? DEFAULT_LIMIT_BYTES, fail);
    } else {
      return fail('it is no regular file');
    }
  }
}

/**
 * Asks tar for a directory's extended attribute `trusted.overlay.opaque` (Node cannot read any): GNU tar is on every
 * host, getfattr is not.
 */
export function opaqueDirectories(
  executor: HostExecutor,
  toHostPath: (path: string) => string,
): (directory: string) => Promise<boolean> {
  return async (directory) => {
    const { stdout } = await executor.run({
      command: 'tar',
      args: [
        '--create',
        '--file=-',
        '--format=pax',
        '--xattrs',
        '--xattrs-include=*.overlay.opaque',
        '--no-recursion',
        '--directory',
        toHostPath(directory),
        '.',
      ],
    });
    return /SCHILY\.xattr\.(?:trusted|user)\.overlay\.opaque=y/.test(stdout.toString('latin1'));
  };
}

interface MergedDirectory {
  readonly path: string;
  /** Directories that are merged here, the uppermost first. */
  readonly layers: readonly string[];
}

type Entry =
  | { readonly type: 'absent' | 'other' }
  | { readonly type: 'directory'; readonly layers: readonly string[] }
  | { readonly type: 'link'; readonly target: string }
  | { readonly type: 'file'; readonly path: string };

async function lookUp(
  directory: MergedDirectory,
  name: string,
  isOpaque: ImageFileOptions['isOpaque'],
): Promise<Entry> {
  const merged: string[] = [];
  for (const layer of directory.layers) {
    const path = join(layer, name);
    const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (stats === undefined) continue;
    if (stats.isDirectory()) {
      const upper = merged.at(-1);
      if (upper !== undefined && (await isOpaque(upper))) break;
      merged.push(path);
      continue;
    }
    // Below a directory of an upper layer nothing but directories is merged.
    if (merged.length > 0) break;
    if (stats.isCharacterDevice() && stats.rdev === 0) return { type: 'absent' };
    if (stats.isSymbolicLink()) return { type: 'link', target: await readlink(path) };
    return stats.isFile() ? { type: 'file', path } : { type: 'other' };
  }
  return merged.length > 0 ? { type: 'directory', layers: merged } : { type: 'absent' };
}

async function readWhole(path: string, limitBytes: number, fail: (why: string) => never): Promise<Buffer> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > limitBytes) fail(`it has ${size} bytes, and ${limitBytes} are the limit`);
    return await file.readFile();
  } finally {
    await file?.close();
  }
}

function components(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
