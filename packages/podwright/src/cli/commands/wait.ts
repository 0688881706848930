import {
  type ContainerRuntime,
  type PodPhase,
  type PodRef,
  type PodStatus,
  PodwrightError,
  SystemClock,
} from '@podwright/core';
import type { Command } from 'commander';
import { concatMap, filter, firstValueFrom, fromEvent, interval, map, merge, startWith } from 'rxjs';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type NamespaceFlags, namespaceOption } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { print } from '../output.js';
import { parseDuration } from '../parse/parse-time.js';
import { parsePodRef } from '../parse/pod-ref.js';
import { forEach } from './for-each.js';

interface WaitFlags extends NamespaceFlags {
  /** Milliseconds. */
  readonly timeout?: number;
}

/** What no event tells, such as the end of a pod without containers, is seen after so long. */
const LOOK_MS = 2000;
const ENDED: ReadonlySet<PodPhase> = new Set(['Succeeded', 'Failed']);

const HELP = `
It tells each pod's phase, and ends with 0 when all of them are Succeeded, with 1 when one is Failed, and with 124 when the
time ran out. A pod that is always restarted ends only when somebody kills it.
  podwright run job.yaml && podwright wait --timeout 10m job && podwright logs job`;

export function registerWait(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'wait <pod...>', 'wait until pods have ended')
    .option('--timeout <span>', 'no longer than this in all: 10m, or 600 (default: no limit)', parseDuration)
    .addOption(namespaceOption())
    .addHelpText('after', HELP);
  command.action((pods: readonly string[], flags: WaitFlags) =>
    cli.run(command, (context) => wait(context, pods, flags)),
  );
}

export async function wait(context: CliContext, pods: readonly string[], flags: WaitFlags): Promise<number> {
  const refs = pods.map((pod) => parsePodRef(pod, flags.namespace));
  const runtime = await context.openRuntime('observe');
  const deadline = new AbortController();
  const done = new AbortController();
  if (flags.timeout !== undefined) {
    new SystemClock().sleep(flags.timeout, done.signal).then(
      () => deadline.abort(),
      () => undefined,
    );
  }
  let hasFailed = false;
  const exitCode = await forEach(context, refs, async (ref) => {
    const { namespace, name, phase } = await endOf(context, runtime, ref, deadline.signal);
    hasFailed ||= phase === 'Failed';
    await print(context, `${namespace}/${name} ${phase}`);
  }).finally(() => done.abort());
  return exitCode === ExitCode.ok && hasFailed ? ExitCode.failure : exitCode;
}

async function endOf(
  { signal }: CliContext,
  runtime: ContainerRuntime,
  ref: PodRef,
  deadline: AbortSignal,
): Promise<PodStatus> {
  const { uid, namespace, name } = await runtime.getPodStatus(ref, { signal });
  const looks = merge(
    runtime.events.pipe(filter(({ object }) => object.uid === uid)),
    interval(LOOK_MS),
  ).pipe(
    startWith(undefined),
    concatMap(() => runtime.getPodStatus({ uid }, { signal })),
    filter(({ phase }) => ENDED.has(phase)),
  );
  const interrupted = aborted(signal, () => signal.reason);
  const late = aborted(
    deadline,
    () => new PodwrightError('timeout', `The pod ${namespace}/${name} has not ended in the time given.`),
  );
  return await firstValueFrom(merge(looks, interrupted, late));
}

/** Fails when the signal fires, or has. */
function aborted(signal: AbortSignal, reason: () => unknown) {
  const fired = signal.aborted ? [undefined] : [];
  return merge(fired, fromEvent(signal, 'abort')).pipe(
    map((): never => {
      throw reason();
    }),
  );
}
