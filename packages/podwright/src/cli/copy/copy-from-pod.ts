import { chmod, lstat, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type ContainerRuntime, messageOf, PodwrightError } from '@podwright/core';
import type { CliContext } from '../cli-context.js';
import { note } from '../output.js';
import { splitPodPath } from '../parse/copy-path.js';
import { type CopyRequest, finishTar, startTar, textOf } from './container-tar.js';
import { localPrograms } from './local-programs.js';

const SET_ID_BITS = 0o7000;

/**
 * Has tar in the container pack it, and unpacks it here.
 *
 * The archive comes from the container, so it may be hostile: it is unpacked into a new directory that only its owner
 * can enter, is rid there of what is no file, directory or link, and is then moved to its place. tar itself takes no
 * absolute names, no `..`, and follows no link of the archive's own.
 */
export async function copyFromPod(
  context: CliContext,
  runtime: ContainerRuntime,
  { local, container, path }: CopyRequest,
): Promise<void> {
  const { directory, name } = splitPodPath(path);
  const target = resolve(local);
  const isInto = /(^|\/)\.{0,2}$/.test(local) || (await isDirectory(target));
  const parent = isInto ? target : dirname(target);
  const staging = await makeStaging(parent);
  try {
    const pack = ['-cf', '-', '-C', directory, '--', name];
    await receive(context, runtime, { local: staging, container, path }, pack);
    const entries = await readdir(staging);
    if (entries.length !== 1 || entries[0] !== name) {
      const sent = entries.join(', ') || 'nothing';
      throw new PodwrightError(
        'command-failed',
        `Asked for ${path}, the container sent something else: ${sent}.`,
      );
    }
    for (const dropped of await sanitize(staging)) await note(context, `not copied: ${dropped}`);
    await moveInto(context, join(staging, name), isInto ? join(target, name) : target);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function receive(
  context: CliContext,
  runtime: ContainerRuntime,
  { local, container, path }: CopyRequest,
  args: readonly string[],
): Promise<void> {
  const { signal } = context;
  const programs = await localPrograms();
  const session = await startTar(runtime, container, args, { stdin: false, signal });
  const said = textOf(session.stderr);
  const unpacking = await programs.start({
    command: 'tar',
    args: ['-xf', '-', '-C', local, '--no-same-owner', '--no-same-permissions'],
    signal,
  });
  const unpackingSaid = textOf(unpacking.stderr);
  unpacking.stdout.resume();
  // When tar here ends early its own words say why; the broken pipe does not.
  await pipeline(session.stdout, unpacking.stdin).catch(() => undefined);
  const doing = `Copying ${path}`;
  await finishTar(session, said, doing);
  const { exitCode } = await unpacking.exited;
  if (exitCode === 0) return;
  throw new PodwrightError(
    'command-failed',
    `${doing} failed: tar here ended with exit code ${exitCode}: ${(await unpackingSaid).trim()}`,
  );
}

/** Removes devices, sockets and pipes, and takes set-user-ID bits away. @returns what was removed, in words */
async function sanitize(root: string): Promise<readonly string[]> {
  const dropped: string[] = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const shown = path.slice(root.length + 1);
    if (entry.isSymbolicLink()) continue;
    if (!entry.isFile() && !entry.isDirectory()) {
      await rm(path);
      dropped.push(`${shown} is no file, directory or link`);
      continue;
    }
    const { mode } = await lstat(path);
    if ((mode & SET_ID_BITS) !== 0) await chmod(path, mode & 0o777);
  }
  return dropped;
}

/** By a rename where nothing is in the way, else merged: files replace files, and no link of the target is followed. */
async function moveInto({ signal }: CliContext, from: string, to: string): Promise<void> {
  const isFree = await lstat(to).then(
    () => false,
    () => true,
  );
  if (isFree) {
    await rename(from, to);
    return;
  }
  const programs = await localPrograms();
  await programs.run({
    command: 'cp',
    args: ['-a', '-T', '--remove-destination', '--', from, to],
    signal,
  });
}

async function makeStaging(parent: string): Promise<string> {
  try {
    return await mkdtemp(join(parent, '.podwright-cp-'));
  } catch (cause) {
    throw new PodwrightError('not-found', `Nothing can be written into ${parent}: ${messageOf(cause)}.`, {
      cause,
    });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
