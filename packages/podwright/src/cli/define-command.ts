import { type Command, Option } from 'commander';
import type { DataFormat } from './output.js';

/** @param usage name and arguments, such as `kill <pod>` */
export function defineCommand(program: Command, usage: string, summary: string): Command {
  return program.command(usage).description(summary);
}

/** `-o json|yaml`, for programs. */
export function formatOption(): Option {
  return new Option('-o, --output <format>', 'for programs: json or yaml').choices(['json', 'yaml']);
}

export function namespaceOption(): Option {
  return new Option('-n, --namespace <name>', "the pod's namespace (default: default)");
}

/** For commands about several pods. */
export function onlyNamespaceOption(): Option {
  return new Option('-n, --namespace <name>', 'only pods of this namespace (default: all)');
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
