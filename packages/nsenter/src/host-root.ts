import { constants } from 'node:fs';
import { access, lstat, readlink, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import { PodwrightError } from '@podwright/core';
import type { HostExecutor } from './host-executor.js';

/** As in Linux: more links in one path are a loop. */
const MAX_LINKS = 40;

/** Where programs lie on a host, in the order in which they are looked for. */
export const SYSTEM_DIRS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Follows the links of a path of the host as the host itself would: a link to /x leads to <root>/x, and `..` never
 * leads out of the root. What does not exist stays as it is.
 * @param root where this process sees the host's root
 * @param path absolute, on the host
 * @returns absolute, on the host
 * @throws PodwrightError kind `invalid-argument` (not absolute), `failed-precondition` (a loop of links)
 */
export async function resolveUnderRoot(root: string, path: string): Promise<string> {
  if (!isAbsolute(path)) {
    throw new PodwrightError('invalid-argument', `${path} is no path on the host: it has to be absolute.`);
  }
  // Components are walked one by one: `a/..` is not nothing when `a` is a link.
  const left = path.split('/').filter((part) => part !== '' && part !== '.');
  let resolved = '/';
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '..') {
      resolved = join(resolved, '..');
      continue;
    }
    const next = join(resolved, part);
    const target = await linkTarget(join(root, next));
    if (target === undefined) {
      resolved = next;
      continue;
    }
    if (++links > MAX_LINKS) {
      const message = `${path} cannot be resolved on the host: its links run in a circle at ${next}.`;
      throw new PodwrightError('failed-precondition', message, { details: { path } });
    }
    left.unshift(...target.split('/').filter((each) => each !== '' && each !== '.'));
    if (isAbsolute(target)) resolved = '/';
  }
  return resolved;
}

/**
 * Where this process finds what the host finds at a path. Below a root of the host's, links are followed first: the
 * kernel would follow those with absolute targets in the root of this process.
 * @param path absolute, on the host
 * @throws as `resolveUnderRoot`
 */
export async function followHostPath(host: Pick<HostExecutor, 'hostPath'>, path: string): Promise<string> {
  const root = host.hostPath('/');
  // The links of /proc are no paths; in its own root the kernel knows where they lead.
  if (root === '/') return path;
  return host.hostPath(await resolveUnderRoot(root, path));
}

/** Whether a path of the host is a file that can be executed. A path that cannot be looked at is none. */
export async function isHostProgram(root: string, path: string): Promise<boolean> {
  try {
    const seen = join(root, await resolveUnderRoot(root, path));
    await access(seen, constants.X_OK);
    return (await stat(seen)).isFile();
  } catch {
    return false;
  }
}

/** The first directory's program of this name, as a path on the host with its links: they may name an applet. */
export async function findHostProgram(
  root: string,
  name: string,
  directories: readonly string[],
): Promise<string | undefined> {
  for (const directory of directories) {
    const path = join(directory, name);
    if (await isHostProgram(root, path)) return path;
  }
  return undefined;
}

/** Where this process sees a path of the host. `..` does not lead out. */
export function joinHostRoot(root: string, path: string): string {
  return join(root, normalize(join('/', path)));
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch {
    return undefined;
  }
}
