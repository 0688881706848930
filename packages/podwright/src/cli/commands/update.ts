import { type ContainerResources, PodwrightError, quantityBytes, quantityMillis } from '@podwright/core';
import { type Command, InvalidArgumentError } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { type ContainerFlags, containerOption, defineCommand, namespaceOption } from '../define-command.js';
import { note } from '../output.js';
import { parseCount } from '../parse/parse-numbers.js';
import { parseContainerRef } from '../parse/pod-ref.js';

interface UpdateFlags extends ContainerFlags {
  readonly memory?: number;
  readonly memoryRequest?: number;
  readonly cpu?: number;
  readonly cpuRequest?: number;
  readonly pids?: number;
}

const HELP = `
What is not named stays as it is. CPU and memory are changed in the pod's manifest too: a sync with the old one changes them
back. A limit below what the container uses is refused.
  podwright update web -c server --memory 256Mi --cpu 500m`;

export function registerUpdate(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'update <pod>', 'change the limits of a running container')
    .addOption(namespaceOption())
    .addOption(containerOption())
    .option('--memory <quantity>', 'most memory, such as 256Mi', parseBytes)
    .option('--memory-request <quantity>', 'memory that it is sure of', parseBytes)
    .option('--cpu <quantity>', 'most time of cores, such as 1.5 or 500m', parseMillis)
    .option('--cpu-request <quantity>', 'cores that it is sure of', parseMillis)
    .option('--pids <number>', 'most processes', parseCount)
    .addHelpText('after', HELP);
  command.action((pod: string, flags: UpdateFlags) =>
    cli.run(command, (context) => update(context, pod, flags)),
  );
}

export async function update(context: CliContext, pod: string, flags: UpdateFlags): Promise<void> {
  const { memory, memoryRequest, cpu, cpuRequest, pids, ...names } = flags;
  const resources: ContainerResources = {
    ...(memory === undefined ? {} : { memoryLimitBytes: memory }),
    ...(memoryRequest === undefined ? {} : { memoryRequestBytes: memoryRequest }),
    ...(cpu === undefined ? {} : { cpuLimitMillis: cpu }),
    ...(cpuRequest === undefined ? {} : { cpuRequestMillis: cpuRequest }),
    ...(pids === undefined ? {} : { pidsLimit: pids }),
  };
  if (Object.keys(resources).length === 0) {
    throw new PodwrightError(
      'invalid-argument',
      'There is nothing to update: name a limit, such as --memory 256Mi.',
    );
  }
  const runtime = await context.openRuntime('exclusive');
  await runtime.updateContainerResources(parseContainerRef(pod, names), resources, {
    signal: context.signal,
  });
  if (!runtime.features.kernel) {
    await note(context, `the backend ${runtime.type} only simulates: limits have no effect.`);
  }
}

const parseBytes = (text: string) => quantity(text, quantityBytes);
const parseMillis = (text: string) => quantity(text, quantityMillis);

function quantity(text: string, parse: (text: string) => number): number {
  try {
    return parse(text);
  } catch (cause) {
    if (PodwrightError.is(cause)) throw new InvalidArgumentError(cause.message);
    throw cause;
  }
}
