import {
  type AttachSession,
  type ContainerRef,
  type ContainerRuntime,
  throwIfAborted,
} from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { type ContainerFlags, containerOption, defineCommand, namespaceOption } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { note } from '../output.js';
import { parseContainerRef } from '../parse/pod-ref.js';
import { checkDetachKeys, connectSession, detachKeysFlag, sizeOf } from '../terminal/connect-session.js';

interface AttachFlags extends ContainerFlags {
  readonly stdin: boolean;
  readonly detachKeys?: string;
}

const HELP = `
It ends with the container's exit code, or with 0 when the keys to detach were typed; the container runs on then.`;

export function registerAttach(program: Command, cli: Cli): void {
  const command = defineCommand(
    program,
    'attach <pod>',
    "connect to a container's first process, from now on",
  )
    .option('--no-stdin', 'only its output')
    .option(...detachKeysFlag())
    .addOption(containerOption())
    .addOption(namespaceOption())
    .addHelpText('after', HELP);
  command.action((pod: string, flags: AttachFlags) =>
    cli.run(command, (context) => attach(context, pod, flags)),
  );
}

export async function attach(context: CliContext, pod: string, flags: AttachFlags): Promise<number> {
  const { stdin, detachKeys } = flags;
  checkDetachKeys(detachKeys, { typed: stdin, needs: 'cannot be given with --no-stdin' });
  const runtime = await context.openRuntime('observe');
  const session = await openSession(context, runtime, parseContainerRef(pod, flags), stdin);
  return await stayAttached(context, session, detachKeys);
}

export function openSession(
  { signal }: CliContext,
  runtime: ContainerRuntime,
  container: ContainerRef,
  stdin: boolean,
): Promise<AttachSession> {
  return runtime.attachContainer(container, { stdin, signal });
}

/** @returns the exit code: the container's, or 0 for who has left it */
export async function stayAttached(
  context: CliContext,
  session: AttachSession,
  detachKeys: string | undefined,
): Promise<number> {
  const tty = session.stderr === undefined;
  const size = tty ? sizeOf(context) : undefined;
  if (size) await session.resize(size);
  const end = await connectSession(context, session, {
    tty,
    ended: session.ended,
    leave: () => session.detach(),
    ...(detachKeys === undefined ? {} : { detachKeys }),
  });
  throwIfAborted(context.signal);
  if (end.type === 'exited') return end.exitCode;
  await note(context, 'detached; the container runs on.');
  return ExitCode.ok;
}
