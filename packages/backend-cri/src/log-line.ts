import type { LogEntry } from '@podwright/core';

/** A line of a log file of the CRI, without where it stands. */
export type LogLine = Omit<LogEntry, 'cursor'>;

const BLANK = 0x20;
const NEVER = -1;

/**
 * Takes apart a line `TIMESTAMP STREAM TAGS TEXT` as runtimes write it for the kubelet; the first tag says whether the
 * line is whole (`F`) or goes on (`P`).
 * @param raw without its line feed
 * @returns undefined for what is no such line
 * @see Kubernetes, pkg/kubelet/kuberuntime/logs/logs.go
 */
export function parseLogLine(raw: Buffer): LogLine | undefined {
  const timeEnd = raw.indexOf(BLANK);
  const streamEnd = timeEnd === NEVER ? NEVER : raw.indexOf(BLANK, timeEnd + 1);
  if (streamEnd === NEVER) return undefined;
  // A runtime may leave out the blank behind the tags of an empty line.
  const found = raw.indexOf(BLANK, streamEnd + 1);
  const tagsEnd = found === NEVER ? raw.length : found;
  const stream = raw.toString('latin1', timeEnd + 1, streamEnd);
  const timestampUs = parseTimestamp(raw.toString('latin1', 0, timeEnd));
  if ((stream !== 'stdout' && stream !== 'stderr') || timestampUs === undefined) return undefined;
  const [tag] = raw.toString('latin1', streamEnd + 1, tagsEnd).split(':');
  return { timestampUs, stream, line: raw.subarray(tagsEnd + 1), partial: tag === 'P' };
}

/** RFC 3339 with up to nine digits of a second, in microseconds; Date reads three of them. */
function parseTimestamp(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return undefined;
  const [, seconds = '', fraction = '', zone = ''] = match;
  const atMs = Date.parse(`${seconds}${zone}`);
  return Number.isNaN(atMs) ? undefined : atMs * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** Keeps the last lines of what it is given. A line in parts is one, and so is one whose end has not come yet. */
export class LogTail<E extends Pick<LogEntry, 'stream' | 'partial'>> {
  private readonly kept: E[] = [];
  private ends = 0;

  constructor(private readonly lines: number) {}

  push(entry: E): void {
    this.kept.push(entry);
    if (!entry.partial) this.ends++;
    this.drop(this.lines);
  }

  entries(): readonly E[] {
    const open = new Set<E['stream']>();
    for (const { stream, partial } of this.kept) {
      if (partial) open.add(stream);
      else open.delete(stream);
    }
    if (this.lines === 0) return [];
    this.drop(this.lines - open.size);
    return this.kept;
  }

  private drop(most: number): void {
    while (this.ends > most && this.kept.length > 0) {
      if (this.kept.shift()?.partial === false) this.ends--;
    }
  }
}
