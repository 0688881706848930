import type { ErrorKind } from '@podwright/core';

/** What the command ends with, beside the codes that `exec`, `attach` and `debug` pass on. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  /** An unknown flag, a wrong argument, manifest or configuration: nothing was done. */
  usage: 2,
  timeout: 124,
  /** `exec` itself failed; its other codes are the command's own. */
  execFailed: 125,
  /** `exec`: the command cannot be executed. */
  cannotExecute: 126,
  noSuchProgram: 127,
  interrupted: 130,
  terminated: 143,
} as const;

/** Printed below `podwright --help`. */
export const EXIT_CODES_HELP = `Exit codes:
  0    done
  1    it failed
  2    a wrong flag, argument, manifest or configuration; nothing was done
  124  the time ran out
  130  interrupted (SIGINT); 143 terminated (SIGTERM). logs -f, events and port-forward end with 0 then
  exec ends with the command's own code; 125 when it failed itself, 126 or 127 when the command cannot be executed.
  attach and debug -i end with the container's.`;

/** The exit code of an error of the library. */
export function exitCodeOf(kind: ErrorKind): number {
  if (kind === 'invalid-argument' || kind === 'invalid-manifest') return ExitCode.usage;
  return kind === 'timeout' ? ExitCode.timeout : ExitCode.failure;
}
