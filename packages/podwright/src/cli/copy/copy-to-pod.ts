import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  type ContainerRef,
  type ContainerRuntime,
  messageOf,
  PodwrightError,
  systemErrorCode,
} from '@podwright/core';
import type { CliContext } from '../cli-context.js';
import { splitPodPath } from '../parse/copy-path.js';
import { type CopyRequest, finishTar, startTar, textOf } from './container-tar.js';
import { localPrograms } from './local-programs.js';

/** How a stream says that nobody reads it any more. */
const READER_GONE: ReadonlySet<string> = new Set(['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']);

/** Packs a file or a directory here with tar, and has tar in the container unpack it. */
export async function copyToPod(
  context: CliContext,
  runtime: ContainerRuntime,
  { local, container, path }: CopyRequest,
): Promise<void> {
  const source = resolve(local);
  const isDirectory = await isLocalDirectory(source);
  const target = (await isTargetDirectory(context, runtime, container, path))
    ? { directory: path, name: basename(source) }
    : splitPodPath(path);
  const { signal } = context;
  const programs = await localPrograms();
  const packing = await programs.start({
    command: 'tar',
    args: packArguments(source, isDirectory, target.name),
    signal,
  });
  const packingSaid = textOf(packing.stderr);
  const session = await startTar(runtime, container, ['-xf', '-', '-C', target.directory], {
    stdin: true,
    signal,
  }).catch((error: unknown) => {
    packing.kill();
    throw error;
  });
  const said = textOf(session.stderr);
  session.stdout.resume();
  const doing = `Copying ${local} to ${path}`;
  const sent = session.stdin === undefined ? Promise.resolve() : pipeline(packing.stdout, session.stdin);
  // When the container's tar ends early its own words say why; the broken pipe does not.
  const broken = await sent.then(
    () => undefined,
    (error: unknown) => error,
  );
  await finishTar(session, said, doing);
  const { exitCode } = await packing.exited;
  if (exitCode !== 0) {
    throw new PodwrightError(
      'command-failed',
      `${doing} failed: tar here ended with exit code ${exitCode}: ${(await packingSaid).trim()}`,
    );
  }
  // The container's tar is content: it may go at the archive's end, before the end of its input.
  if (broken !== undefined && !READER_GONE.has(systemErrorCode(broken))) throw broken;
}

/**
 * The archive has one entry at its top, of the target's name. `S` keeps link targets as they are; the expression of a
 * directory's entries matches the leading `.` only.
 */
export function packArguments(source: string, isDirectory: boolean, name: string): readonly string[] {
  const replacement = name.replace(/[\\&,]/g, '\\$&').replace(/\n/g, '\\n');
  return isDirectory
    ? ['-cf', '-', '-C', source, `--transform=s,^\\.,${replacement},S`, '--', '.']
    : [
        '-cf',
        '-',
        '-C',
        dirname(source),
        `--transform=s,^.*$,${replacement},S`,
        '--',
        `./${basename(source)}`,
      ];
}

async function isLocalDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw new PodwrightError('not-found', `${path} cannot be read: ${messageOf(cause)}.`, { cause });
  }
}

async function isTargetDirectory(
  { signal }: CliContext,
  runtime: ContainerRuntime,
  container: ContainerRef,
  path: string,
): Promise<boolean> {
  if (/(^|\/)\.{0,2}$/.test(path)) return true;
  try {
    return (await runtime.runInContainer(container, ['test', '-d', path], { signal })).exitCode === 0;
  } catch (error) {
    // A container without `test`: the path is taken as the copy's own name.
    if (PodwrightError.is(error, 'command-failed')) return false;
    throw error;
  }
}
