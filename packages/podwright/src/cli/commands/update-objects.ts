import { PodwrightError } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type NamespaceFlags, namespaceOption } from '../define-command.js';
import { print } from '../output.js';
import { objectsFor, readManifestFile } from '../parse/manifest-file.js';
import { parsePodRef } from '../parse/pod-ref.js';

const HELP = `
MANIFEST holds ConfigMaps and Secrets; - reads it from standard input. The pod's volumes get their content all at once;
variables, and parts of volumes (subPath), keep theirs until the container is started again.
  podwright update-objects web settings.yaml`;

export function registerUpdateObjects(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'update-objects <pod> <manifest>',
    'give a pod new content of its ConfigMaps and Secrets',
  )
    .addOption(namespaceOption())
    .addHelpText('after', HELP);
  command.action((pod: string, path: string, flags: NamespaceFlags) =>
    cli.run(command, (context) => updateObjects(context, pod, path, flags)),
  );
}

async function updateObjects(
  context: CliContext,
  pod: string,
  path: string,
  flags: NamespaceFlags,
): Promise<void> {
  const ref = parsePodRef(pod, flags.namespace);
  const { objects } = await readManifestFile(context, path);
  const runtime = await context.openRuntime('exclusive');
  const { uid, namespace, name } = await runtime.getPodStatus(ref, { signal: context.signal });
  const own = objectsFor(namespace, objects);
  if (own.length === 0) {
    throw new PodwrightError(
      'invalid-argument',
      `${path} has no ConfigMap and no Secret of the namespace ${namespace}, which is the pod's.`,
    );
  }
  await runtime.updateObjects({ uid }, own, { signal: context.signal });
  for (const { kind, metadata } of own) await print(context, `${namespace}/${name} ${kind} ${metadata.name}`);
}
