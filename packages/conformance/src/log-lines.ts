import assert from 'node:assert/strict';
import type { ContainerStatus, LogEntry } from '@podwright/core';

/** A line of a log put together from its parts. */
export interface Line {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
  readonly text: string;
}

/** The last run of a container. */
export function lastOf(status: Pick<ContainerStatus, 'attempts'>) {
  const attempt = status.attempts.at(-1);
  return attempt ?? assert.fail('the container has no attempt');
}

/** Lines in the order in which they ended, each put together from its parts. */
export function joinLines(entries: readonly LogEntry[]): readonly Line[] {
  const open = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  const pending = { stdout: false, stderr: false };
  const lines: Line[] = [];
  const finish = (stream: 'stdout' | 'stderr') => {
    lines.push({ stream, bytes: open[stream], text: open[stream].toString() });
    open[stream] = Buffer.alloc(0);
    pending[stream] = false;
  };
  for (const { stream, line, partial } of entries) {
    open[stream] = Buffer.concat([open[stream], line]);
    pending[stream] = true;
    if (!partial) finish(stream);
  }
  for (const stream of ['stdout', 'stderr'] as const) if (pending[stream]) finish(stream);
  return lines;
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}
