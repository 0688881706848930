import { type LogOptions, PodwrightError } from '@podwright/core';
import type { StoredEntry } from './container-log.js';

/**
 * The entries that a reader asks for. Without a cursor they are those of the present attempt; with one, all that came
 * after it.
 * @throws PodwrightError kind `not-found` for `previous` when there was no attempt before, `invalid-argument`
 */
export function selectEntries(
  entries: readonly StoredEntry[],
  options: LogOptions,
  presentAttempt: number,
): readonly StoredEntry[] {
  const { tail, sinceMs, untilMs, afterCursor } = options;
  if (tail !== undefined && (!Number.isInteger(tail) || tail < 0)) {
    throw new PodwrightError(
      'invalid-argument',
      `tail is ${tail}: it has to be a number of lines, 0 or more.`,
    );
  }
  const after = afterCursor === undefined ? 0 : cursorPosition(afterCursor, entries.length);
  const attempt = options.previous ? presentAttempt - 1 : presentAttempt;
  if (attempt < 0 && options.previous) {
    throw new PodwrightError('not-found', 'The container has no attempt before the present one.');
  }
  const selected = entries
    .slice(after)
    .filter((entry) => (afterCursor !== undefined && !options.previous ? true : entry.attempt === attempt))
    .filter((entry) => isWithin(entry, sinceMs, untilMs));
  return tail === undefined ? selected : lastLines(selected, tail);
}

export function isWithin(
  entry: StoredEntry,
  sinceMs: number | undefined,
  untilMs: number | undefined,
): boolean {
  if (sinceMs !== undefined && entry.timestampUs < sinceMs * 1000) return false;
  return untilMs === undefined || entry.timestampUs <= untilMs * 1000;
}

/** The entries of the last lines; parts of one line count as one. */
function lastLines(entries: readonly StoredEntry[], count: number): readonly StoredEntry[] {
  let lines = 0;
  const open = { stdout: true, stderr: true };
  const kept: StoredEntry[] = [];
  for (const entry of [...entries].reverse()) {
    // Going backwards, a line begins at its last entry: one that is whole, or the very last part without an end.
    const begins = !entry.partial || open[entry.stream];
    open[entry.stream] = false;
    if (begins) lines++;
    if (lines > count) break;
    kept.push(entry);
  }
  return kept.reverse();
}

function cursorPosition(cursor: string, count: number): number {
  const position = /^[0-9]+$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!(position <= count)) {
    throw new PodwrightError('invalid-argument', `"${cursor}" is no cursor of this container's log.`);
  }
  return position;
}
