import { type Command, Option } from 'commander';
import { addGlobalFlags } from './global-flags.js';
import type { DataFormat } from './output.js';

/** A command with the flags that all have. @param usage name and arguments, such as `kill <pod>` */
export function defineCommand(program: Command, usage: string, summary: string): Command {
  const command = program.command(usage).description(summary);
  return addGlobalFlags(command);
}

/** `-o json|yaml`, for programs. */
export function formatOption(): Option {
  return new Option('-o, --output <format>', 'for programs: json or yaml').choices(['json', 'yaml']);
}

export function namespaceOption(): Option {
  return new Option('-n, --namespace <name>', "the pod's namespace (default: default)");
}

export function containerOption(): Option {
  return new Option('-c, --container <name>', 'which container, in a pod with several');
}

export interface FormatFlags {
  readonly output?: DataFormat;
}

export interface NamespaceFlags {
  readonly namespace?: string;
}

export interface ContainerFlags extends NamespaceFlags {
  readonly container?: string;
}
