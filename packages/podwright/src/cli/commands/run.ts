import { type ConfigObject, type Pod, PodwrightError, parsePod } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type FormatFlags, formatOption } from '../define-command.js';
import { agentWarning } from '../needs-agent.js';
import { note, print, printData } from '../output.js';
import { collect, collectKeyValue } from '../parse/key-value.js';
import { objectsFor, readManifestFile } from '../parse/manifest-file.js';
import { looksLikeFile, podOfFlags, type RunImageFlags } from '../parse/run-image.js';

interface RunFlags extends RunImageFlags, FormatFlags {
  readonly persist?: boolean;
}

const HELP = `
MANIFEST holds Pods (v1), and the ConfigMaps and Secrets that they name, in YAML or JSON; - reads it from standard input.
Several Pods are run one after the other.
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
    .option('--persist', 'the pod comes back after a reboot of the host, before any agent runs')
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
  const { output, persist = false, ...imageFlags } = flags;
  const { pods, objects } = await podsOf(context, what, args, imageFlags);
  const runtime = await context.openRuntime('exclusive');
  const results = [];
  for (const pod of pods) {
    const own = objectsFor(pod.metadata.namespace, objects);
    const result = await runtime.runPod(pod, {
      objects: own,
      signal: context.signal,
      ...(persist ? { persist } : {}),
    });
    results.push(result);
    const warning = agentWarning(pod, runtime.features.supervisedRestart);
    if (warning !== undefined) await note(context, warning);
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

async function podsOf(
  context: CliContext,
  what: string,
  args: readonly string[],
  flags: RunImageFlags,
): Promise<{ readonly pods: readonly Pod[]; readonly objects: readonly ConfigObject[] }> {
  if (!looksLikeFile(what)) {
    const pod = parsePod(podOfFlags(what, args[0] === '--' ? args.slice(1) : args, flags));
    return { pods: [pod], objects: [] };
  }
  const surplus = [...Object.keys(flags).filter((name) => name in IMAGE_FLAGS), ...args];
  if (surplus.length > 0) {
    throw new PodwrightError(
      'invalid-argument',
      `${surplus.join(', ')} cannot be given together with a manifest: write it into the manifest.`,
    );
  }
  const file = await readManifestFile(context, what);
  if (file.pods.length > 0) return file;
  throw new PodwrightError('invalid-manifest', `${what === '-' ? 'standard input' : what} has no Pod in it.`);
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
