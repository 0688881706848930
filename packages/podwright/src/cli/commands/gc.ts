import { type ImageGcPolicy, messageOf, ORPHAN_GRACE_MS } from '@podwright/core';
import { type Command, Option } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type FormatFlags, formatOption } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { print, printData } from '../output.js';
import { parseLimit, parseThresholds } from '../parse/parse-numbers.js';
import { parseDuration } from '../parse/parse-time.js';
import { printError } from '../report-error.js';

interface GcFlags extends FormatFlags {
  readonly minAge: number;
  readonly maxPerContainer: number;
  readonly max: number;
  readonly allSourcesReady?: boolean;
  readonly grace: number;
  readonly dryRun?: boolean;
  readonly images?: Omit<ImageGcPolicy, 'minAgeMs'>;
}

export function registerGc(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'gc', 'remove what has ended and what nobody owns')
    .addOption(
      new Option('--min-age <span>', 'what ended later stays: 90s, 10m, 2h')
        .argParser(parseDuration)
        .default(0, '0'),
    )
    .addOption(
      new Option('--max-per-container <n>', 'ended ones of each container of a pod that stay; -1: all')
        .argParser(parseLimit)
        .default(1),
    )
    .addOption(
      new Option('--max <n>', 'ended containers that stay in all; -1: all').argParser(parseLimit).default(-1),
    )
    .option('--all-sources-ready', 'pods without a record may go too')
    .addOption(
      new Option('--grace <span>', 'what nobody owns goes when it has been seen so for this long; 0: at once')
        .argParser(parseDuration)
        .default(ORPHAN_GRACE_MS, '1m'),
    )
    .addOption(
      new Option(
        '--images <high:low>',
        'when their disk is fuller than high percent, remove unused images down to low: 85:80',
      ).argParser(parseThresholds),
    )
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .addOption(formatOption());
  command.action((flags: GcFlags) => cli.run(command, (context) => gc(context, flags)));
}

export async function gc(context: CliContext, flags: GcFlags): Promise<number> {
  const {
    minAge,
    maxPerContainer,
    max,
    allSourcesReady = false,
    dryRun = false,
    grace,
    images,
    output,
  } = flags;
  // Who may change things removes what is half-made before it is asked for anything.
  const runtime = await context.openRuntime(dryRun ? 'observe' : 'exclusive');
  const { removed, marked, errors } = await runtime.garbageCollect(
    { minAgeMs: minAge, maxPerPodContainer: maxPerContainer, maxContainers: max },
    {
      allSourcesReady,
      dryRun,
      orphanGraceMs: grace,
      ...(images ? { images: { ...images, minAgeMs: minAge } } : {}),
      signal: context.signal,
    },
  );
  if (output !== undefined)
    await printData(context, output, { removed, marked, errors: errors.map(messageOf) });
  else {
    for (const what of removed) await print(context, `${dryRun ? 'would remove' : 'removed'} ${what}`);
    for (const what of marked) await print(context, `has no owner, stays for now: ${what}`);
  }
  for (const error of errors) await printError(context.stderr, error);
  return errors.length === 0 ? ExitCode.ok : ExitCode.failure;
}
