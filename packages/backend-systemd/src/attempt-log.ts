import type { ContainerAttempt } from '@podwright/core';

/** One ended attempt as the unit wrote it. */
export interface AttemptLine {
  readonly invocation: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  /** What conmon wrote; absent when it could not. */
  readonly exitCode: number | undefined;
  readonly serviceResult: string;
  readonly exitStatus: string;
  readonly oomKills: number;
  /** Delay before the next start, if one follows. */
  readonly delayMs: number;
}

const SIGNALS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  SEGV: 11,
  TERM: 15,
};

/** Reads the lines that the record script wrote; a line cut short by a crash of the host is passed over. */
export function parseAttempts(text: string): AttemptLine[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split('\t');
    const [invocation, started, finished, code, serviceResult, , exitStatus, oom, delay] = fields;
    if (fields.length !== 9 || !invocation || !started || !finished || !serviceResult) return [];
    return [
      {
        invocation,
        startedAtMs: Math.round(Number(started) * 1000),
        finishedAtMs: Math.round(Number(finished) * 1000),
        exitCode: code === undefined || code === '-' ? undefined : Number(code),
        serviceResult,
        exitStatus: exitStatus ?? '-',
        oomKills: Number(oom),
        delayMs: Number(delay),
      },
    ];
  });
}

/** The exit code of a line: conmon's, else what systemd saw of conmon itself. */
function exitCodeOf(line: AttemptLine): number {
  if (line.exitCode !== undefined) return line.exitCode;
  const signal = SIGNALS[line.exitStatus];
  if (signal !== undefined) return 128 + signal;
  const status = Number(line.exitStatus);
  return Number.isInteger(status) ? status : 255;
}

/**
 * Makes the contract's attempts of the lines.
 * @param startErrors why an attempt never started, by invocation
 */
export function toAttempts(
  lines: readonly AttemptLine[],
  startErrors: ReadonlyMap<string, string>,
): ContainerAttempt[] {
  return lines.map((line, attempt) => {
    const startError = startErrors.get(line.invocation);
    const base = { attempt, startedAtMs: line.startedAtMs, finishedAtMs: line.finishedAtMs };
    if (startError !== undefined) {
      return { ...base, exitCode: 128, reason: 'ContainerCannotRun', message: startError };
    }
    const exitCode = exitCodeOf(line);
    const signal = exitCode > 128 && exitCode < 128 + 65 ? exitCode - 128 : undefined;
    return {
      ...base,
      exitCode,
      ...(signal === undefined ? {} : { signal }),
      reason: reasonOf(exitCode, line),
    };
  });
}

function reasonOf(exitCode: number, line: AttemptLine): string {
  if (exitCode === 0) return 'Completed';
  return exitCode === 137 && line.oomKills > 0 ? 'OOMKilled' : 'Error';
}
