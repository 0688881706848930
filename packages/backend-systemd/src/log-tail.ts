import type { LogEntry } from '@podwright/core';

/** What has to be known of an entry to count lines. */
export type LogPart = Pick<LogEntry, 'stream' | 'partial'>;

/**
 * Where the last lines begin. conmon writes a long line in several entries, of which only the last is whole; a last
 * part whose end has not come yet counts as a line. A line of the other stream may stand between two parts: the line
 * that the tail would begin in the middle of is then cut there.
 * @param parts oldest first
 * @returns index of the first entry; 0 when there are no more lines than asked for
 */
export function lastLinesStart(parts: readonly LogPart[], lines: number): number {
  const seen = new Set<LogPart['stream']>();
  let counted = 0;
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index];
    if (part === undefined || (part.partial && seen.has(part.stream))) continue;
    seen.add(part.stream);
    counted++;
    if (counted > lines) return index + 1;
  }
  return 0;
}
