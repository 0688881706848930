import { readFile } from 'node:fs/promises';
import { type ContainerRuntime, messageOf, type Pod, PodwrightError, parsePod } from '@podwright/core';
import type { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type FormatFlags, formatOption } from '../define-command.js';
import { note, print, printData } from '../output.js';
import { collect, collectKeyValue } from '../parse/key-value.js';
import { looksLikeFile, podOfFlags, type RunImageFlags } from '../parse/run-image.js';

interface RunFlags extends RunImageFlags, FormatFlags {}

const HELP = `
MANIFEST is a Pod (v1) in YAML or JSON; - reads it from standard input. Several documents are run one after the other.
Instead of it an image makes a pod of one container; flags come before the image, arguments of the container after it:
  podwright run pod.yaml
  podwright run --name web -p 8080:80 -e MODE=test -v /srv/www:/www:ro docker.io/library/httpd:2.4`;

export function registerRun(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'run <manifest|image> [args...]',
    'run a pod; it goes on when the command has ended',
  )
    .passThroughOptions()
    .option('--name <name>', "image: the pod's name (default: made from the image)")
    .option('-n, --namespace <name>', "image: the pod's namespace")
    .option('-l, --label <key=value>', 'image: a label; may be given again', collectKeyValue)
    .option('-e, --env <key=value>', 'image: an environment variable; may be given again', collectKeyValue)
    .option('-p, --publish <hostPort:port>', 'image: a port of the host for one of the pod', collect)
    .option('-v, --volume <host:path[:ro]>', 'image: a directory or file of the host', collect)
    .option('--network <pod|host>', "image: a network of its own, or the host's")
    .option('--restart <policy>', 'image: Always, OnFailure or Never')
    .addOption(formatOption())
    .addHelpText('after', HELP);
  command.action((what: string, args: readonly string[], flags: RunFlags) =>
    cli.run(command, (context) => run(context, what, args, flags)),
  );
}

export async function run(
  context: CliContext,
  what: string,
  args: readonly string[],
  flags: RunFlags,
): Promise<void> {
  const { output, ...imageFlags } = flags;
  const pods = await podsOf(context, what, args, imageFlags);
  const runtime = await context.openRuntime('exclusive');
  const results = [];
  for (const pod of pods) {
    const result = await runPod(runtime, pod, context);
    results.push(result);
    if (output === undefined) await print(context, `${result.namespace}/${result.name} ${result.uid}`);
  }
  if (output !== undefined) await printData(context, output, results);
  if (!runtime.features.kernel) {
    await note(
      context,
      `the backend ${runtime.type} only simulates: the pod ends with this command, and nothing of it is kept.`,
    );
  }
}

async function runPod(runtime: ContainerRuntime, pod: Pod, { signal }: CliContext) {
  return runtime.runPod(pod, { signal });
}

async function podsOf(
  context: CliContext,
  what: string,
  args: readonly string[],
  flags: RunImageFlags,
): Promise<readonly Pod[]> {
  if (!looksLikeFile(what))
    return [parsePod(podOfFlags(what, args[0] === '--' ? args.slice(1) : args, flags))];
  const surplus = [...Object.keys(flags).filter((name) => name in IMAGE_FLAGS), ...args];
  if (surplus.length > 0) {
    throw new PodwrightError(
      'invalid-argument',
      `${surplus.join(', ')} cannot be given together with a manifest: write it into the manifest.`,
    );
  }
  return parseManifests(await readManifest(context, what), what === '-' ? 'standard input' : what);
}

const IMAGE_FLAGS: Readonly<Record<keyof RunImageFlags, true>> = {
  name: true,
  namespace: true,
  label: true,
  env: true,
  publish: true,
  volume: true,
  network: true,
  restart: true,
};

/** @throws PodwrightError kind `not-found` */
export async function readManifest({ stdin }: CliContext, path: string): Promise<string> {
  if (path === '-') return Buffer.concat(await stdin.toArray()).toString('utf8');
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new PodwrightError('not-found', `The manifest ${path} cannot be read: ${messageOf(cause)}.`, {
      cause,
      details: { path },
    });
  }
}

/** @throws PodwrightError kind `invalid-manifest` for all documents that are wrong, before any is run */
export function parseManifests(text: string, source: string): readonly Pod[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  const problem = 'empty' in documents ? undefined : documents.flatMap(({ errors }) => errors)[0];
  if (problem !== undefined) {
    throw new PodwrightError('invalid-manifest', `${source} is neither YAML nor JSON: ${problem.message}`);
  }
  const values: unknown[] = [...documents].map((document) => document.toJS());
  const present = values.filter((value) => value !== null && value !== undefined);
  if (present.length === 0) throw new PodwrightError('invalid-manifest', `${source} has no Pod in it.`);
  return present.map((value, index) => {
    try {
      return parsePod(value);
    } catch (error) {
      if (!PodwrightError.is(error, 'invalid-manifest')) throw error;
      const where = present.length === 1 ? source : `${source}, document ${index + 1}`;
      throw new PodwrightError('invalid-manifest', `${where}: ${error.message}`, {
        cause: error,
        details: error.details,
      });
    }
  });
}
