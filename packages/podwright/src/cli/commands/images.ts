import { resolve } from 'node:path';
import { type ContainerRuntime, PodwrightError } from '@podwright/core';
import { type Command, Option } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type FormatFlags, formatOption } from '../define-command.js';
import { formatImages } from '../format/image-table.js';
import { print, printData, write } from '../output.js';
import { forEach } from './for-each.js';

interface ImagesFlags extends FormatFlags {
  readonly quiet?: boolean;
}

interface LoadFlags extends FormatFlags {
  readonly name?: string;
}

interface RmiFlags {
  readonly force?: boolean;
}

export function registerImages(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'images', 'list the images of this host')
    .addOption(new Option('-q, --quiet', 'only the ids').conflicts('output'))
    .addOption(formatOption());
  command.action((flags: ImagesFlags) => cli.run(command, (context) => images(context, flags)));
}

export function registerLoad(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'load <archive>', 'load an OCI or docker archive, or an OCI layout')
    .option('--name <reference>', "the image's name (default: the names in the archive)")
    .addOption(formatOption());
  command.action((path: string, flags: LoadFlags) =>
    cli.run(command, (context) => load(context, path, flags)),
  );
}

export function registerRmi(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'rmi <image...>',
    'take names from images; one without a name goes',
  ).option('-f, --force', 'an image that is not there is no failure');
  command.action((names: readonly string[], flags: RmiFlags) =>
    cli.run(command, (context) => rmi(context, names, flags)),
  );
}

export async function images(context: CliContext, { output, quiet }: ImagesFlags): Promise<void> {
  const runtime = await context.openRuntime('observe');
  const list = await runtime.listImages({ signal: context.signal });
  if (output !== undefined) await printData(context, output, list);
  else if (quiet) await write(context.stdout, list.map(({ id }) => `${id}\n`).join(''));
  else await write(context.stdout, formatImages(list, context.nowMs()));
}

export async function load(context: CliContext, path: string, { name, output }: LoadFlags): Promise<void> {
  const runtime = await context.openRuntime('observe');
  const loaded = await runtime.loadImage(resolve(path), {
    signal: context.signal,
    ...(name === undefined ? {} : { reference: name }),
  });
  if (output !== undefined) await printData(context, output, loaded);
  else for (const { id, repoTags } of loaded) await print(context, repoTags.join(' ') || id);
}

export async function rmi(
  context: CliContext,
  names: readonly string[],
  { force = false }: RmiFlags,
): Promise<number> {
  const { signal } = context;
  const runtime = await context.openRuntime('observe');
  return forEach(context, names, async (name) => {
    if (!(await isThere(runtime, name, signal))) {
      if (force) return;
      throw new PodwrightError('not-found', `There is no image ${name}: podwright images lists them.`);
    }
    await runtime.removeImage(name, { signal });
    await print(context, name);
  });
}

/** A damaged image is there too: to be removed, so that it can be pulled again. */
async function isThere(runtime: ContainerRuntime, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    return await runtime.isImagePresent(name, { signal });
  } catch (error) {
    if (PodwrightError.is(error, 'corrupt-state')) return true;
    throw error;
  }
}
