import { pipeline } from 'node:stream/promises';
import {
  type ExecSession,
  messageOf,
  PodwrightError,
  type TerminalSize,
  throwIfAborted,
} from '@podwright/core';
import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import type { CliContext } from '../cli-context.js';
import { type ContainerFlags, containerOption, defineCommand, namespaceOption } from '../define-command.js';
import { ExitCode } from '../exit-codes.js';
import { parseContainerRef } from '../parse/pod-ref.js';

interface ExecFlags extends ContainerFlags {
  readonly stdin?: boolean;
  readonly tty?: boolean;
}

const HELP = `
Flags come before the pod's name; all after it is the command:
  podwright exec web ls -l /
  podwright exec -it -c server web -- sh`;

export function registerExec(program: Command, cli: Cli): void {
  const command = defineCommand(program, 'exec <pod> <command...>', 'run a command in a container')
    .passThroughOptions()
    .option('-i, --stdin', 'give it standard input')
    .option('-t, --tty', 'give it a terminal')
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
  if (tty && stdin && context.stdin.isTTY !== true) {
    throw new PodwrightError(
      'invalid-argument',
      'The flags -i and -t together need a terminal as standard input: leave -t out for a pipe or a file.',
    );
  }
  try {
    const runtime = await context.openRuntime('observe');
    const session = await runtime.execInContainer(ref, {
      command,
      stdin,
      tty,
      signal: context.signal,
      ...(terminalSize === undefined ? {} : { terminalSize }),
    });
    const exitCode = await attach(context, session, { tty });
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

/** Connects a session with the terminal or the pipes of this process, until the command has ended. */
async function attach(
  context: CliContext,
  session: ExecSession,
  { tty }: { readonly tty: boolean },
): Promise<number> {
  const { stdin, stdout, stderr } = context;
  const undo: (() => void)[] = [];
  try {
    if (session.stdin) undo.push(connectInput(context, session.stdin, tty));
    if (tty) undo.push(followSize(context, session));
    const [exitCode] = await Promise.all([
      session.exitCode,
      pipeline(session.stdout, stdout, { end: false }),
      session.stderr && pipeline(session.stderr, stderr, { end: false }),
    ]);
    return exitCode;
  } finally {
    for (const step of undo.reverse()) step();
    stdin.pause();
  }
}

/** @returns puts the terminal back as it was */
function connectInput({ stdin }: CliContext, input: NodeJS.WritableStream, tty: boolean): () => void {
  const isRaw = tty && stdin.isTTY === true;
  if (isRaw) stdin.setRawMode?.(true);
  // The command may end before it has read everything.
  input.on('error', () => stdin.unpipe(input));
  stdin.pipe(input);
  return () => {
    stdin.unpipe(input);
    if (isRaw) stdin.setRawMode?.(false);
  };
}

function followSize(context: CliContext, session: ExecSession): () => void {
  const onResize = () => {
    const size = sizeOf(context);
    // The command may have ended meanwhile; a size is nothing worth failing for.
    if (size) void session.resize(size).catch(() => undefined);
  };
  context.stdout.on('resize', onResize);
  return () => context.stdout.off('resize', onResize);
}

function sizeOf({ stdout }: CliContext): TerminalSize | undefined {
  const { columns, rows } = stdout;
  return columns !== undefined && rows !== undefined && columns > 0 && rows > 0
    ? { columns, rows }
    : undefined;
}
