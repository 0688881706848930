import { type PodFilter, type PodRef, type PodStats, PodwrightError } from '@podwright/core';
import { type Command, Option } from 'commander';
import { take } from 'rxjs';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { consume } from '../consume.js';
import {
  defineCommand,
  type FormatFlags,
  formatOption,
  type NamespaceFlags,
  onlyNamespaceOption,
} from '../define-command.js';
import { formatStats } from '../format/stats-table.js';
import { printData, write } from '../output.js';
import { parseSeconds } from '../parse/parse-numbers.js';
import { parsePodRef } from '../parse/pod-ref.js';

interface StatsFlags extends FormatFlags, NamespaceFlags {
  readonly watch?: boolean;
  readonly interval?: number;
}

/** A share of a core is told over this time when nobody watches. */
const SAMPLE_MS = 500;
/** The time between two looks when somebody does. */
const WATCH_SECONDS = 2;
/** The cursor to the upper left corner, and everything behind it cleared. */
const CLEAR_SCREEN = '\u001b[H\u001b[J';

const HELP = `
CPU is a share of one core: of two cores at work it is 200 %. MEMORY is the working set, and its limit if there is one. DISK is
the writable layers and the volumes of the pod; it is measured again only when that is cheap enough.`;

export function registerStats(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'stats [pod...]', 'show what running pods use')
    .option('-w, --watch', 'again and again, until interrupted')
    .addOption(
      new Option('--interval <seconds>', 'time between two looks, with --watch (default: 2)').argParser(
        parseSeconds,
      ),
    )
    .addOption(onlyNamespaceOption())
    .addOption(formatOption())
    .addHelpText('after', HELP);
  command.action((names: string[], flags: StatsFlags) =>
    cli.run(command, (context) => stats(context, names, flags)),
  );
}

export async function stats(
  context: CliContext,
  names: readonly string[],
  { watch = false, interval, namespace, output }: StatsFlags,
): Promise<void> {
  if (interval !== undefined && !watch) {
    throw new PodwrightError(
      'invalid-argument',
      'The flag --interval needs --watch: without it there is one look.',
    );
  }
  const refs = names.map((name) => parsePodRef(name, namespace));
  const runtime = await context.openRuntime('observe');
  const filter: PodFilter = namespace === undefined ? {} : { namespace };
  const wanted = (pods: readonly PodStats[]) =>
    refs.length === 0 ? pods : pods.filter((pod) => refs.some((ref) => isIt(pod, ref)));
  // So that a pod that is not there is told, and not an empty table.
  for (const ref of refs) await runtime.getPodStatus(ref, { signal: context.signal });
  const signal = { signal: context.signal };
  if (!watch && output !== undefined) {
    await printData(context, output, wanted(await runtime.stats(filter, signal)));
    return;
  }
  const intervalMs = watch ? (interval ?? WATCH_SECONDS) * 1000 : SAMPLE_MS;
  const readings = runtime.watchStats({ ...filter, intervalMs });
  let before: readonly PodStats[] | undefined;
  try {
    await consume(watch ? readings : readings.pipe(take(2)), context.signal, async (all) => {
      const pods = wanted(all);
      if (output !== undefined) await printData(context, output, pods);
      else if (watch || before !== undefined) {
        const clear = watch && context.stdout.isTTY ? CLEAR_SCREEN : '';
        await write(context.stdout, `${clear}${formatStats(pods, before)}`);
      }
      before = pods;
    });
  } catch (error) {
    if (!watch || !context.signal.aborted) throw error;
  }
}

function isIt({ metadata }: PodStats, ref: PodRef): boolean {
  if ('uid' in ref) return metadata.uid === ref.uid;
  return metadata.name === ref.name && metadata.namespace === (ref.namespace ?? 'default');
}
