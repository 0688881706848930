import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { stringify } from 'yaml';
import type { CliContext } from './cli-context.js';

export type DataFormat = 'json' | 'yaml';

/** Writes all of it, and waits when the reader is slow. */
export async function write(
  stream: Writable,
  data: string | Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  if (data.length === 0 || stream.write(data)) return;
  await once(stream, 'drain', signal === undefined ? {} : { signal });
}

export async function print(context: CliContext, line: string): Promise<void> {
  await write(context.stdout, `${line}\n`, context.signal);
}

/** To standard error: what a person should know and a program should not read. */
export async function note(context: CliContext, line: string): Promise<void> {
  await write(context.stderr, `podwright: ${line}\n`);
}

/** Data for programs, with the types of the library. */
export async function printData(context: CliContext, format: DataFormat, data: unknown): Promise<void> {
  await write(context.stdout, formatData(format, data), context.signal);
}

export function formatData(format: DataFormat, data: unknown): string {
  if (format === 'json') return `${JSON.stringify(data, null, 2)}\n`;
  // Values that appear twice are written twice: anchors are more than most readers of YAML know.
  return stringify(data, { aliasDuplicateObjects: false, lineWidth: 0 });
}
