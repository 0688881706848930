import { messageOf, PodwrightError, throwIfAborted } from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { type ContainerFlags, containerOption, defineCommand, namespaceOption } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { note } from '../output.js';
import { parseContainerRef } from '../parse/pod-ref.js';
import {
  checkDetachKeys,
  checkTerminal,
  connectSession,
  detachKeysFlag,
  sizeOf,
} from '../terminal/connect-session.js';

interface ExecFlags extends ContainerFlags {
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly detachKeys?: string;
}

const HELP = `
Flags come before the pod's name; all after it is the command:
  podwright exec web ls -l /
  podwright exec -it -c server web -- sh
The command ends with this one, also when the keys to detach are typed.`;

export function registerExec(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'exec <pod> <command...>', 'run a command in a container')
    .passThroughOptions()
    .option('-i, --stdin', 'give it standard input')
    .option('-t, --tty', 'give it a terminal')
    .option(...detachKeysFlag())
    .addOption(containerOption())
    .addOption(namespaceOption())
    .addHelpText('after', HELP);
  command.action((pod: string, words: readonly string[], flags: ExecFlags) =>
    cli.run(command, (context) => exec(context, pod, words, flags)),
  );
}

export async function exec(
  context: CliContext,
  pod: string,
  words: readonly string[],
  flags: ExecFlags,
): Promise<number> {
  const command = commandOf(words);
  const { stdin = false, tty = false } = flags;
  const ref = parseContainerRef(pod, flags);
  const terminalSize = tty ? sizeOf(context) : undefined;
  checkTerminal(context, { stdin, tty });
  checkDetachKeys(flags.detachKeys, { typed: stdin && tty, needs: 'needs -i and -t' });
  try {
    const runtime = await context.openRuntime('observe');
    const session = await runtime.execInContainer(ref, {
      command,
      stdin,
      tty,
      signal: context.signal,
      ...(terminalSize === undefined ? {} : { terminalSize }),
    });
    let left = false;
    const exitCode = await connectSession(context, session, {
      tty,
      ended: session.exitCode,
      // Nobody would hold the command's terminal any more.
      leave: async () => {
        left = true;
        await session.kill();
      },
      ...(flags.detachKeys === undefined ? {} : { detachKeys: flags.detachKeys }),
    });
    if (left) await note(context, 'detached; the command was ended.');
    throwIfAborted(context.signal);
    return exitCode;
  } catch (error) {
    if (context.signal.aborted || PodwrightError.is(error, 'invalid-argument')) throw error;
    throw new ExecFailure(error);
  }
}

/** A failure of `exec` itself: told by its exit code from one of the command. */
export class ExecFailure extends Error {
  readonly exitCode: number;

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
    this.exitCode = exitCodeOfFailure(cause);
  }
}

/** As a shell ends: 127 when there is no such program, 126 when there is one that cannot be executed. */
function exitCodeOfFailure(cause: unknown): number {
  if (!PodwrightError.is(cause, 'command-failed')) return ExitCode.execFailed;
  return /not found|no such file|no program/i.test(cause.message)
    ? ExitCode.noSuchProgram
    : ExitCode.cannotExecute;
}

function commandOf(words: readonly string[]): readonly string[] {
  const command = words[0] === '--' ? words.slice(1) : words;
  if (command.length === 0) throw new PodwrightError('invalid-argument', 'There is no command to execute.');
  if (words[0]?.startsWith('-') && words[0] !== '--') {
    throw new PodwrightError(
      'invalid-argument',
      `"${words[0]}" is no command: flags come before the pod's name, as in podwright exec -it POD -- sh.`,
    );
  }
  return command;
}
