import type { StringMap } from '@podwright/core';
import { type Command, Option } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import {
  defineCommand,
  type FormatFlags,
  formatOption,
  type NamespaceFlags,
  onlyNamespaceOption,
} from '../define-command.js';
import { formatPods } from '../format/pod-table.js';
import { printData, write } from '../output.js';
import { collectKeyValue } from '../parse/key-value.js';

interface PsFlags extends FormatFlags, NamespaceFlags {
  readonly all?: boolean;
  readonly label?: StringMap;
  readonly quiet?: boolean;
}

export function registerPs(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'ps', 'list pods that run')
    .alias('list')
    .option('-a, --all', 'also pods of which nothing runs any more')
    .option('-l, --label <key=value>', 'only pods with this label; may be given again', collectKeyValue)
    .addOption(onlyNamespaceOption())
    .addOption(new Option('-q, --quiet', 'only the uids').conflicts('output'))
    .addOption(formatOption());
  command.action((flags: PsFlags) => cli.run(command, (context) => ps(context, flags)));
}

export async function ps(context: CliContext, flags: PsFlags): Promise<void> {
  const { all = false, label, namespace, output, quiet = false } = flags;
  const runtime = await context.openRuntime('observe');
  const pods = await runtime.getPods(
    {
      all,
      ...(label === undefined ? {} : { labels: label }),
      ...(namespace === undefined ? {} : { namespace }),
    },
    { signal: context.signal },
  );
  if (output !== undefined) await printData(context, output, pods);
  else if (quiet) await write(context.stdout, pods.map(({ uid }) => `${uid}\n`).join(''));
  else await write(context.stdout, formatPods(pods, context.nowMs()));
}
