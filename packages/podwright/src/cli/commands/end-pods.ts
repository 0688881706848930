import { type ContainerRuntime, type PodRef, PodwrightError } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { defineCommand, type NamespaceFlags, namespaceOption } from '../define-command.js';
import { print } from '../output.js';
import { parseDuration } from '../parse/parse-time.js';
import { parsePodRef } from '../parse/pod-ref.js';
import { forEach } from './for-each.js';

interface KillFlags extends NamespaceFlags {
  /** Milliseconds. */
  readonly grace?: number;
}

interface RmFlags extends KillFlags {
  readonly force?: boolean;
}

export function registerKill(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'kill <pod...>',
    'end all containers of pods; their status and logs stay',
  )
    .alias('stop')
    .option(
      '--grace <span>',
      'time to end by itself: 10s, or 10; 0 kills at once (default: the manifest’s terminationGracePeriodSeconds)',
      parseDuration,
    )
    .addOption(namespaceOption());
  command.action((pods: readonly string[], flags: KillFlags) =>
    cli.run(command, (context) => kill(context, pods, flags)),
  );
}

export function registerRm(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'rm <pod...>', 'remove pods and all that is left of them')
    .option('-f, --force', 'kill what still runs; a pod that is not there is no failure')
    .option('--grace <span>', 'with -f: time to end by itself: 10s, or 10; 0 kills at once', parseDuration)
    .addOption(namespaceOption());
  command.action((pods: readonly string[], flags: RmFlags) =>
    cli.run(command, (context) => rm(context, pods, flags)),
  );
}

export async function kill(context: CliContext, pods: readonly string[], flags: KillFlags): Promise<number> {
  const refs = pods.map((pod) => parsePodRef(pod, flags.namespace));
  const runtime = await context.openRuntime('exclusive');
  const options = { signal: context.signal, ...graceOf(flags) };
  return forEach(context, refs, async (ref) => {
    const { namespace, name, uid } = await runtime.getPodStatus(ref, { signal: context.signal });
    await runtime.killPod({ uid }, options);
    await print(context, `${namespace}/${name}`);
  });
}

export async function rm(context: CliContext, pods: readonly string[], flags: RmFlags): Promise<number> {
  if (flags.grace !== undefined && !flags.force) {
    throw new PodwrightError('invalid-argument', 'The flag --grace needs -f: without it nothing is ended.');
  }
  const refs = pods.map((pod) => parsePodRef(pod, flags.namespace));
  const runtime = await context.openRuntime('exclusive');
  const options = { signal: context.signal, ...graceOf(flags) };
  return forEach(context, refs, async (ref) => {
    const name = await removable(runtime, ref, flags, context.signal);
    await runtime.removePod(ref, options);
    if (name !== undefined) await print(context, name);
  });
}

/** Its name for people; undefined when it is not there and need not be. */
async function removable(
  runtime: ContainerRuntime,
  ref: PodRef,
  { force = false }: RmFlags,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { namespace, name, containers } = await runtime.getPodStatus(ref, { signal });
    const alive = containers.filter(({ state }) => state === 'running' || state === 'waiting');
    if (alive.length > 0 && !force) {
      throw new PodwrightError(
        'failed-precondition',
        `The pod ${namespace}/${name} still runs: kill it first, or remove it with podwright rm -f.`,
      );
    }
    return `${namespace}/${name}`;
  } catch (error) {
    if (force && PodwrightError.is(error, 'not-found')) return undefined;
    throw error;
  }
}

function graceOf({ grace }: KillFlags): { readonly graceMs?: number } {
  return grace === undefined ? {} : { graceMs: grace };
}
