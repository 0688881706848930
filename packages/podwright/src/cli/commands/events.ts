import type { PodEvent } from '@podwright/core';
import { type Command, Option } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { consume } from '../consume.js';
import { defineCommand, type NamespaceFlags, onlyNamespaceOption } from '../define-command.js';
import { print } from '../output.js';

interface EventsFlags extends NamespaceFlags {
  readonly output?: 'json';
}

export function registerEvents(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'events', 'show what happens to pods from now on, until interrupted')
    .addOption(onlyNamespaceOption())
    .addOption(new Option('-o, --output <format>', 'for programs: json, an object a line').choices(['json']));
  command.action((flags: EventsFlags) => cli.run(command, (context) => events(context, flags)));
}

export async function events(context: CliContext, { namespace, output }: EventsFlags): Promise<void> {
  const runtime = await context.openRuntime('observe');
  try {
    await consume(runtime.events, context.signal, async (event) => {
      if (namespace !== undefined && event.object.namespace !== namespace) return;
      await print(context, output === 'json' ? JSON.stringify(event) : eventLine(event));
    });
  } catch (error) {
    if (!context.signal.aborted) throw error;
  }
}

/** `2026-01-31T12:00:00.000Z Normal Started default/web{server}: Container server was started.` */
export function eventLine({ type, reason, object, message, timestampMs }: PodEvent): string {
  const container = /\{.*\}$/.exec(object.fieldPath ?? '')?.[0] ?? '';
  return `${new Date(timestampMs).toISOString()} ${type} ${reason} ${object.namespace}/${object.name}${container}: ${message}`;
}
