import { constants } from 'node:fs';
import { chmod, chown, type FileHandle, mkdir, open, readlink } from 'node:fs/promises';
import { PodwrightError, systemErrorCode } from '@podwright/core';

/** Of Linux (fcntl.h); Node does not name it: a handle for looking and entering only, which opens no device. */
const O_PATH = 0o10000000;
const MOST_LINKS = 40;
/** How often a path is looked up that was changed on the way, as by an update of a ConfigMap. */
const TRIES = 10;

/** A step of a path, and whether a link said it. */
interface Step {
  readonly name: string;
  readonly isOfLink: boolean;
}

/**
 * Opens a part of a volume without ever leaving the volume: each step is done from the handle of the directory before, and
 * a link is followed by reading it, never by the kernel. What is missing is made as directories of the volume's own owner
 * and mode, but for what a link itself leads to.
 * @param root directory of the volume
 * @throws PodwrightError kind `invalid-argument` for a part that leads out of the volume or through a file, `not-found`
 *   for a link that leads to nothing
 */
export async function openPart(root: string, subPath: string): Promise<FileHandle> {
  for (let tries = 1; ; tries++) {
    // What a link leads to may be on its way out, replaced in between: only at last something is made behind one.
    const isLast = tries === TRIES;
    try {
      return await walk(root, subPath, isLast);
    } catch (error) {
      if (isLast || !(PodwrightError.is(error, 'not-found') || systemErrorCode(error) === 'ENOENT'))
        throw error;
    }
  }
}

async function walk(root: string, subPath: string, makesBehindLinks: boolean): Promise<FileHandle> {
  const opened: FileHandle[] = [await open(root, O_PATH | constants.O_DIRECTORY)];
  let links = 0;
  try {
    const left = stepsOf(subPath, false);
    for (let step = left.shift(); step !== undefined; step = left.shift()) {
      const { name: part, isOfLink } = step;
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
      const makes = !isOfLink && (links === 0 || makesBehindLinks);
      const next = await enter(here, part, makes ? opened[0] : undefined);
      if (next === undefined) throw leadsToNothing(subPath, part);
      if (!(await next.stat()).isSymbolicLink()) {
        opened.push(next);
        continue;
      }
      await next.close();
      const target = await readlink(below(here, part));
      if (target.startsWith('/') || ++links > MOST_LINKS) throw leaves(subPath);
      left.unshift(...stepsOf(target, true));
    }
    const found = opened.pop();
    if (found) return found;
    throw leaves(subPath);
  } finally {
    for (const handle of opened) await handle.close();
  }
}

/**
 * @param model whose mode and owner a missing part is made with; absent: nothing is made
 * @returns undefined when it is missing and was not made
 */
async function enter(
  here: FileHandle,
  part: string,
  model: FileHandle | undefined,
): Promise<FileHandle | undefined> {
  const path = below(here, part);
  try {
    return await open(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    if (model === undefined) return undefined;
  }
  const { mode, uid, gid } = await model.stat();
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

function stepsOf(path: string, isOfLink: boolean): Step[] {
  const names = path.split('/').filter((part) => part !== '' && part !== '.');
  return names.map((name) => ({ name, isOfLink }));
}

function leadsToNothing(subPath: string, part: string): PodwrightError {
  return new PodwrightError(
    'not-found',
    `A link on the way to the part "${subPath}" of a volume leads to nothing: "${part}" is not there.`,
    { details: { subPath } },
  );
}

function leaves(subPath: string): PodwrightError {
  return new PodwrightError(
    'invalid-argument',
    `The part "${subPath}" of a volume leads out of the volume, or over too many links.`,
    { details: { subPath } },
  );
}
