import type { Readable } from 'node:stream';
import {
  type Clock,
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  PodwrightError,
} from '@podwright/core';
import { orCancelled } from '../calls.js';

const DEFAULT_OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * Waits for a command's end and collects its output.
 * @throws PodwrightError kind `timeout`, `cancelled`; the command was killed then
 */
export async function runToEnd(
  session: ExecSession,
  command: readonly string[],
  options: ExecSyncOptions,
  clock: Clock,
): Promise<ExecSyncResult> {
  const limit = options.outputLimitBytes ?? DEFAULT_OUTPUT_LIMIT_BYTES;
  const finished = Promise.all([
    collect(session.stdout, limit),
    collect(session.stderr, limit),
    session.exitCode,
  ]);
  const done = new AbortController();
  try {
    const [stdout, stderr, exitCode] = await orCancelled(
      options.timeoutMs === undefined
        ? finished
        : Promise.race([finished, timeout(clock, options.timeoutMs, command, done.signal)]),
      options.signal,
    );
    return { stdout, stderr, exitCode };
  } catch (error) {
    await session.kill();
    throw error;
  } finally {
    done.abort();
  }
}

async function timeout(
  clock: Clock,
  timeoutMs: number,
  command: readonly string[],
  signal: AbortSignal,
): Promise<never> {
  await clock.sleep(timeoutMs, signal);
  throw new PodwrightError(
    'timeout',
    `Command ${command[0]} took longer than ${timeoutMs} ms and was killed.`,
    {
      details: { command, timeoutMs },
    },
  );
}

/** All of a stream is read, so that its writer is not held up; what is over the limit is dropped. */
async function collect(stream: Readable | undefined, limit: number): Promise<Buffer> {
  const kept: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    const data = Buffer.from(chunk).subarray(0, limit - size);
    kept.push(data);
    size += data.length;
  }
  return Buffer.concat(kept);
}
