import { constants } from 'node:os';
import type { ContainerAttempt } from '@podwright/core';
import { parseConmonReport, runtimeErrors } from '@podwright/oci';
import { parseTerminationMessage } from './termination-message.js';

/** One ended attempt as the record script of `launch-scripts.ts` wrote it. */
export interface AttemptLine {
  /** Counted from 0, also when lines before it are no longer kept. */
  readonly number: number;
  readonly invocation: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  /** What conmon wrote; absent when it could not. */
  readonly exitCode: number | undefined;
  /** systemd's EXIT_STATUS of conmon: a number, or the name of a signal without `SIG`; `-` where there is none. */
  readonly exitStatus: string;
  readonly oomKills: number;
  /** Delay before the next start, if one follows. */
  readonly delayMs: number;
  /** Why it never started. */
  readonly startError: string | undefined;
  /** What it said itself about its end. */
  readonly message: string | undefined;
  /** `shutdown`: it was ended with its host; `lost`: the host went down and nobody saw its end. */
  readonly ending?: 'shutdown' | 'lost';
}

/** What a line has in the place of systemd's SERVICE_RESULT, written by `recordScript` and `lostAttemptLine`. */
const SHUTDOWN = 'shutdown';
const LOST = 'lost';

const SIGNALS: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals));

/** Reads the lines of the record script; what is none is passed over. */
export function parseAttempts(text: string): AttemptLine[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split('\t');
    const [number, invocation, started, finished, code, result, , exitStatus, oom, delay, error, message] =
      fields;
    if (fields.length !== 12 || !invocation || !exitStatus || !error) return [];
    const parsed: AttemptLine = {
      number: Number(number),
      invocation,
      startedAtMs: Math.round(Number(started) * 1000),
      finishedAtMs: Math.round(Number(finished) * 1000),
      exitCode: code === '-' ? undefined : Number(code),
      exitStatus,
      oomKills: Number(oom),
      delayMs: Number(delay),
      startError: error === '-' ? undefined : startErrorOf(error.trim()),
      message: parseTerminationMessage(message),
      ...(result === SHUTDOWN || result === LOST ? { ending: result } : {}),
    };
    return Object.values(parsed).some(Number.isNaN) ? [] : [parsed];
  });
}

/** The line of an attempt that a host took along when it went down. */
export function lostAttemptLine(
  number: number,
  started: { readonly invocation: string; readonly atMs: number },
  seenAtMs: number,
): string {
  const [from, to] = [started.atMs, seenAtMs].map((ms) => (ms / 1000).toFixed(3));
  const fields = [String(number), started.invocation, from, to, '255', LOST, '-', '-', '0', '0', '-', '-'];
  return `${fields.join('\t')}\n`;
}

/** conmon and the log of the OCI runtime give a reason as JSON, the script and the runtime's own output as text. */
function startErrorOf(text: string): string {
  if (!text.startsWith('{')) return text;
  const said = runtimeErrors(text);
  if (said !== undefined) return said;
  try {
    const report = parseConmonReport(text);
    return 'error' in report ? report.error : text;
  } catch {
    // Cut short, because it was long: better than nothing.
    return text;
  }
}

/** The exit code of a line: conmon's, else what systemd saw of conmon itself. */
function exitCodeOf(line: AttemptLine): number {
  if (line.exitCode !== undefined) return line.exitCode;
  const signal = SIGNALS.get(`SIG${line.exitStatus}`);
  if (signal !== undefined) return 128 + signal;
  const status = Number(line.exitStatus);
  return Number.isInteger(status) ? status : 255;
}

/** Makes the contract's attempts of the lines. */
export function toAttempts(lines: readonly AttemptLine[]): ContainerAttempt[] {
  return lines.map((line) => {
    const { number: attempt, startedAtMs, finishedAtMs, startError, message } = line;
    const base = { attempt, startedAtMs, finishedAtMs };
    if (startError !== undefined) {
      return { ...base, exitCode: 128, reason: 'ContainerCannotRun', message: startError };
    }
    const exitCode = exitCodeOf(line);
    const signal = exitCode > 128 && exitCode <= 128 + 64 ? exitCode - 128 : undefined;
    return {
      ...base,
      exitCode,
      ...(signal === undefined ? {} : { signal }),
      reason: reasonOf(exitCode, line),
      ...messageOf(message, line.ending),
    };
  });
}

function reasonOf(exitCode: number, line: AttemptLine): string {
  if (line.ending === LOST) return 'Unknown';
  if (line.ending === SHUTDOWN) return 'NodeShutdown';
  if (exitCode === 0) return 'Completed';
  return exitCode === 137 && line.oomKills > 0 ? 'OOMKilled' : 'Error';
}

function messageOf(own: string | undefined, ending: AttemptLine['ending']): { message?: string } {
  if (own !== undefined) return { message: own };
  if (ending === undefined) return {};
  const how =
    ending === LOST ? 'The host went down while it ran.' : 'It was ended because the host shut down.';
  return { message: how };
}
