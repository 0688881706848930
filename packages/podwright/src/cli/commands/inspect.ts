import { type PodStatus, toApiPodStatus } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import {
  defineCommand,
  type FormatFlags,
  formatOption,
  type NamespaceFlags,
  namespaceOption,
} from '../define-command.js';
import { printData } from '../output.js';
import { parsePodRef } from '../parse/pod-ref.js';

interface InspectFlags extends FormatFlags, NamespaceFlags {
  readonly raw?: boolean;
}

export function registerInspect(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'inspect <pod>', 'show all that is known of a pod')
    .addOption(namespaceOption())
    .addOption(formatOption().default('yaml'))
    .option(
      '--raw',
      "the library's PodStatus instead of Kubernetes' Pod: every attempt, times in milliseconds",
    );
  command.action((pod: string, flags: InspectFlags) =>
    cli.run(command, (context) => inspect(context, pod, flags)),
  );
}

export async function inspect(context: CliContext, pod: string, flags: InspectFlags): Promise<void> {
  const { namespace, output = 'yaml', raw = false } = flags;
  const runtime = await context.openRuntime('observe');
  const status = await runtime.getPodStatus(parsePodRef(pod, namespace), { signal: context.signal });
  await printData(context, output, raw ? status : toApiPod(status));
}

/** Kubernetes' Pod: the manifest, if the store has it, and the status. */
export function toApiPod(status: PodStatus): object {
  const { manifest, namespace, name, uid, labels, annotations } = status;
  const known = manifest ?? {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, uid, labels, annotations },
  };
  const apiStatus = toApiPodStatus(manifest, status);
  // Kubernetes has no word for it.
  return { ...known, status: status.persist === true ? { ...apiStatus, persist: true } : apiStatus };
}
