import { readFileSync } from 'node:fs';
import type { RuntimeVersion } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type FormatFlags, formatOption } from '../define-command.js';
import { formatTable } from '../format/table.js';
import { printData, write } from '../output.js';

interface VersionFlags extends FormatFlags {
  readonly client?: boolean;
}

export function registerVersion(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'version', 'show the versions of podwright and of what it uses')
    .option('--client', 'only that of this command; asks nothing of the host')
    .addOption(formatOption());
  command.action((flags: VersionFlags) => cli.run(command, (context) => version(context, flags)));
}

export async function version(context: CliContext, { client = false, output }: VersionFlags): Promise<void> {
  const podwright = clientVersion();
  const runtime = client ? undefined : await runtimeVersion(context);
  if (output !== undefined) {
    await printData(context, output, { podwright, ...(runtime === undefined ? {} : { runtime }) });
    return;
  }
  const rows = [
    ['podwright', podwright],
    ...(runtime === undefined
      ? []
      : [
          ['backend', `${runtime.runtimeName} ${runtime.runtimeVersion}`],
          ...Object.entries(runtime.components),
        ]),
  ];
  await write(context.stdout, formatTable(rows));
}

async function runtimeVersion(context: CliContext): Promise<RuntimeVersion> {
  return (await context.openRuntime('observe')).version({ signal: context.signal });
}

/** The version of this package, as it is installed. */
export function clientVersion(): string {
  // The same distance from the sources and from what is built.
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  );
  const version = typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, 'version') : '';
  return String(version);
}
