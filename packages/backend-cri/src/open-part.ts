import { constants } from 'node:fs';
import { chmod, chown, type FileHandle, mkdir, open, readlink } from 'node:fs/promises';
import { PodwrightError, systemErrorCode } from '@podwright/core';

/** Of Linux (fcntl.h); Node does not name it: a handle for looking and entering only, which opens no device. */
const O_PATH = 0o10000000;
const MOST_LINKS = 40;
/** How often a path is looked up again that was changed on the way, as by an update of a ConfigMap. */
const TRIES = 10;

/**
 * Opens a part of a volume without ever leaving the volume: each step is done from the handle of the directory before, and
 * a link is followed by reading it, never by the kernel. What is missing is made as directories of the volume's own owner
 * and mode.
 * @param root directory of the volume
 * @throws PodwrightError kind `invalid-argument` for a part that leads out of the volume or through a file
 */
export async function openPart(root: string, subPath: string): Promise<FileHandle> {
  for (let tries = 0; ; tries++) {
    try {
      return await walk(root, subPath);
    } catch (error) {
      // What a link leads to may have been replaced in between.
      if (systemErrorCode(error) === 'ENOENT' && tries < TRIES) continue;
      throw error;
    }
  }
}

async function walk(root: string, subPath: string): Promise<FileHandle> {
  const opened: FileHandle[] = [await open(root, O_PATH | constants.O_DIRECTORY)];
  let links = 0;
  try {
    const left = partsOf(subPath);
    for (let part = left.shift(); part !== undefined; part = left.shift()) {
      const here = opened.at(-1);
      if (here === undefined) throw leaves(subPath);
      if (part === '..') {
        await opened.pop()?.close();
        if (opened.length === 0) throw leaves(subPath);
        continue;
      }
      if (!(await here.stat()).isDirectory()) {
        throw new PodwrightError(
          'invalid-argument',
          `The part "${subPath}" of a volume leads through a file, which has no "${part}".`,
        );
      }
      const next = await enter(here, opened[0], part, links > 0);
      if (!(await next.stat()).isSymbolicLink()) {
        opened.push(next);
        continue;
      }
      await next.close();
      const target = await readlink(below(here, part));
      if (target.startsWith('/') || ++links > MOST_LINKS) throw leaves(subPath);
      left.unshift(...partsOf(target));
    }
    const found = opened.pop();
    if (found) return found;
    throw leaves(subPath);
  } finally {
    for (const handle of opened) await handle.close();
  }
}

/** @param strict whether a link has led here: then nothing is made */
async function enter(
  here: FileHandle,
  root: FileHandle | undefined,
  part: string,
  strict: boolean,
): Promise<FileHandle> {
  const path = below(here, part);
  try {
    return await open(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT' || strict || !root) throw error;
  }
  const { mode, uid, gid } = await root.stat();
  const made = await mkdir(path).then(
    () => true,
    (error: unknown) => {
      if (systemErrorCode(error) === 'EEXIST') return false;
      throw error;
    },
  );
  const handle = await open(path, O_PATH | constants.O_NOFOLLOW);
  if (made) {
    // By the handle: the name may lead elsewhere by now.
    const own = `/proc/self/fd/${handle.fd}`;
    await chown(own, uid, gid);
    await chmod(own, mode & 0o7777);
  }
  return handle;
}

function below(directory: FileHandle, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`;
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function leaves(subPath: string): PodwrightError {
  return new PodwrightError(
    'invalid-argument',
    `The part "${subPath}" of a volume leads out of the volume, or over too many links.`,
    { details: { subPath } },
  );
}
