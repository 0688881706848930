import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PodwrightError, systemErrorCode, type VolumeFile } from '@podwright/core';
import { directoryMode, fileMode, type VolumeOwnership } from './volume-ownership.js';

const DATA = '..data';

/**
 * Gives a directory new content, all at once, in the kubelet's layout: the files lie in a directory of their own, `..data`
 * is a link to it that is replaced by a rename, and what is seen at the top are links through `..data`. Whoever enters
 * `..data` keeps what is there; a path through it leads to all of the old or all of the new. Same content, modes and group: nothing.
 * @param root the volume, as this process reaches it
 * @see Kubernetes, pkg/volume/util/atomic_writer.go
 */
export async function writeVolume(
  root: string,
  files: readonly VolumeFile[],
  owner: VolumeOwnership,
): Promise<void> {
  for (const { path } of files) checkPath(path);
  const wanted = files.map((file) => ({ ...file, mode: fileMode(file.mode, owner) }));
  const current = await currentData(root);
  if (current === undefined || !(await holds(join(root, current), wanted, owner))) {
    await replaceData(root, wanted, owner);
  }
  await linkNames(root, new Set(files.map(({ path }) => path.split('/')[0] ?? path)));
  await removeOld(root);
}

async function replaceData(
  root: string,
  files: readonly VolumeFile[],
  owner: VolumeOwnership,
): Promise<void> {
  const name = `..${new Date().toISOString().slice(0, 19).replace(/\D/g, '_')}.${randomBytes(5).toString('hex')}`;
  const directory = join(root, name);
  try {
    await makeDirectory(directory, owner);
    for (const { path, content, mode } of files) {
      await makeParents(directory, path, owner);
      await using file = await open(join(directory, path), 'wx', 0o600);
      await writeOwned(file, content, mode, owner);
    }
    const link = join(root, `${DATA}_tmp`);
    await rm(link, { force: true });
    await symlink(name, link);
    await rename(link, join(root, DATA));
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function writeOwned(
  file: FileHandle,
  content: Buffer,
  mode: number,
  { uid, gid }: VolumeOwnership,
): Promise<void> {
  await file.writeFile(content);
  await file.chown(uid, gid);
  await file.chmod(mode);
}

async function makeParents(directory: string, path: string, owner: VolumeOwnership): Promise<void> {
  const parts = dirname(path)
    .split('/')
    .filter((part) => part !== '.');
  for (const [index] of parts.entries()) {
    await makeDirectory(join(directory, ...parts.slice(0, index + 1)), owner);
  }
}

async function makeDirectory(path: string, owner: VolumeOwnership): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    return;
  }
  await chown(path, owner.uid, owner.gid);
  await chmod(path, directoryMode(owner));
}

/** Name of the directory that holds the present content. */
async function currentData(root: string): Promise<string | undefined> {
  try {
    return await readlink(join(root, DATA));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function holds(
  directory: string,
  files: readonly VolumeFile[],
  { gid }: VolumeOwnership,
): Promise<boolean> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  if (entries.filter((entry) => !entry.isDirectory()).length !== files.length) return false;
  for (const { path, content, mode } of files) {
    try {
      const present = await stat(join(directory, path));
      if ((present.mode & 0o777) !== mode || present.gid !== gid) return false;
      if (!content.equals(await readFile(join(directory, path)))) return false;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemErrorCode(error) ?? '')) return false;
      throw error;
    }
  }
  return true;
}

/**
 * Links that are new are made after the content they lead to, and those that lead to nothing now are removed. What else
 * lies there was made for a part of the volume (`subPath`) that was missing when a container was started: a container may
 * have it mounted, so it stays until a file of its name is there to be seen.
 */
async function linkNames(root: string, names: ReadonlySet<string>): Promise<void> {
  const present = (await readdir(root)).filter((name) => !name.startsWith('..'));
  const ours = new Set<string>();
  for (const name of present) if (await isOurLink(root, name)) ours.add(name);
  for (const name of names) {
    if (ours.has(name)) continue;
    await rm(join(root, name), { recursive: true, force: true });
    await symlink(join(DATA, name), join(root, name));
  }
  for (const name of ours) if (!names.has(name)) await rm(join(root, name));
}

async function isOurLink(root: string, name: string): Promise<boolean> {
  try {
    return (await readlink(join(root, name))) === join(DATA, name);
  } catch (error) {
    if (systemErrorCode(error) === 'EINVAL') return false;
    throw error;
  }
}

/** Directories of contents before, also those that a process which ended in between left. */
async function removeOld(root: string): Promise<void> {
  const current = await currentData(root);
  for (const name of await readdir(root)) {
    if (!name.startsWith('..') || name === DATA || name === current) continue;
    await rm(join(root, name), { recursive: true, force: true });
  }
}

/** The manifest's rules say the same; whoever calls without a manifest must not leave the volume either. */
function checkPath(path: string): void {
  if (path !== '' && !path.startsWith('/') && !path.startsWith('..') && !path.includes('\0')) {
    if (!path.split('/').some((part) => part === '..' || part === '.' || part === '')) return;
  }
  throw new PodwrightError('invalid-argument', `"${path}" is no path of a file in a volume.`, {
    details: { path },
  });
}
