import type { Writable } from 'node:stream';
import { type ErrorKind, messageOf, PodwrightError } from '@podwright/core';
import { CommanderError } from 'commander';
import type { Interruption } from './cli-context.js';
import { ExecFailure } from './commands/exec.js';
import { ExitCode, exitCodeOf } from './exit-codes.js';
import { write } from './output.js';

/** What to do next, where the message of the library does not say it in the words of the command line. */
const HINTS: Partial<Readonly<Record<ErrorKind, string>>> = {
  'permission-denied': 'run it as root, e.g. sudo podwright …',
  'missing-requirement': 'podwright doctor shows all that this host lacks, and how to get it.',
  unavailable: 'podwright doctor shows what does not answer.',
  unauthorized: 'give credentials with --creds USER:PASSWORD or --authfile FILE.',
};

/**
 * Tells why the command ended, if that is not by its own.
 * @returns the exit code
 */
export async function reportError(stderr: Writable, error: unknown, signal: AbortSignal): Promise<number> {
  if (signal.aborted) return exitCodeOfInterruption(signal.reason as Interruption);
  // Told by commander itself.
  if (error instanceof CommanderError) return isHelp(error) ? ExitCode.ok : ExitCode.usage;
  await printError(stderr, error);
  return exitCodeOfError(error);
}

export async function printError(stderr: Writable, error: unknown): Promise<void> {
  const known = error instanceof ExecFailure ? error.cause : error;
  await write(stderr, `podwright: ${messageOf(error)}\n`);
  if (!PodwrightError.is(known)) {
    const stack = known instanceof Error ? known.stack : undefined;
    await write(
      stderr,
      `podwright: this is a defect of podwright; please report it with:\n${stack ?? known}\n`,
    );
    return;
  }
  const hint = hintOf(known);
  if (hint !== undefined) await write(stderr, `podwright: hint: ${hint}\n`);
}

export function exitCodeOfError(error: unknown): number {
  if (error instanceof ExecFailure) return error.exitCode;
  return PodwrightError.is(error) ? exitCodeOf(error.kind) : ExitCode.failure;
}

function hintOf({ kind, details, message }: PodwrightError): string | undefined {
  if (kind === 'failed-precondition' && details['pid'] !== undefined) {
    return 'only one process at a time changes pods; --lock-timeout SECONDS waits longer, and ps, logs, exec and the like work beside it.';
  }
  if (kind === 'not-found' && message.includes('getPods')) return 'podwright ps -a lists all pods.';
  return HINTS[kind];
}

function exitCodeOfInterruption(reason: Interruption): number {
  if (reason === 'broken-pipe') return ExitCode.ok;
  if (reason === 'lost-output') return ExitCode.failure;
  return reason === 'SIGTERM' ? ExitCode.terminated : ExitCode.interrupted;
}

/** `podwright` without a command shows the help too, but nobody asked for that: its exit code is not 0. */
function isHelp({ code, exitCode }: CommanderError): boolean {
  if (exitCode !== 0) return false;
  return code === 'commander.helpDisplayed' || code === 'commander.help' || code === 'commander.version';
}
