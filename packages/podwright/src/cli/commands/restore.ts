import { ContainerRuntime } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { print } from '../output.js';

/** Not in the help: units of pods that come back after a reboot run it at boot. */
export function registerRestore(program: Command, cli: Cli): void {
  const command = program
    .command('restore <uid>', { hidden: true })
    .description('bring a pod of --persist back after a reboot; run by its unit at boot');
  command.action((uid: string) => cli.run(command, (context) => restore(context, uid)));
}

export async function restore(context: CliContext, uid: string): Promise<void> {
  // Loaded for this command only: others do not wait for it.
  const { PodRestorer } = await import('@podwright/pods');
  const container = await context.createContainer(context.config);
  const runtime = container.get(ContainerRuntime);
  await runtime.start();
  try {
    const isBack = await container.get(PodRestorer).restore(uid, { signal: context.signal });
    await print(context, isBack ? `pod ${uid} is back` : `pod ${uid} is not to come back`);
  } finally {
    await runtime[Symbol.asyncDispose]();
  }
}
