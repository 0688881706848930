import type { Readable } from 'node:stream';
import {
  type ExecSession,
  type ExecSyncOptions,
  type ExecSyncResult,
  type Logger,
  messageOf,
  PodwrightError,
  SystemClock,
} from '@podwright/core';

const DEFAULT_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * Waits for a command's end and collects its output: what `execSync` does with a session.
 * @param options `timeoutMs`: the command and its children are killed then; `outputLimitBytes`: of stdout and stderr
 *   each, default 16 MiB
 * @throws PodwrightError kind `timeout`, `cancelled`, `command-failed` (as `exitCode` of the session)
 */
export async function collectExec(
  session: ExecSession,
  options: ExecSyncOptions,
  logger: Logger,
): Promise<ExecSyncResult> {
  const limit = options.outputLimitBytes ?? DEFAULT_LIMIT_BYTES;
  const stdout = collect(session.stdout, limit);
  const stderr = session.stderr === undefined ? undefined : collect(session.stderr, limit);
  const ending = watchEnding(options);
  try {
    const ended = await Promise.race([session.exitCode, ending.reached]);
    if (typeof ended === 'function') {
      throw await session.kill().then(
        () => ended('was killed'),
        (cause: unknown) => ended(`could not be ended: ${messageOf(cause).replace(/\.$/, '')}`, cause),
      );
    }
    for (const [name, output] of Object.entries({ stdout, stderr })) {
      if (output === undefined || output.droppedBytes() === 0) continue;
      logger.warn(`The ${name} of a command was cut: it is longer than the limit.`, {
        limitBytes: limit,
        droppedBytes: output.droppedBytes(),
      });
    }
    return { stdout: stdout.take(), stderr: stderr?.take() ?? Buffer.alloc(0), exitCode: ended };
  } finally {
    ending.stop();
  }
}

function collect(stream: Readable, limit: number): { take: () => Buffer; droppedBytes: () => number } {
  const chunks: Buffer[] = [];
  let size = 0;
  let total = 0;
  stream.on('data', (chunk: Buffer) => {
    total += chunk.length;
    const kept = chunk.subarray(0, limit - size);
    size += kept.length;
    if (kept.length > 0) chunks.push(kept);
  });
  return { take: () => Buffer.concat(chunks), droppedBytes: () => total - size };
}

/** What the caller is told. @param fate what has become of the command; @param cause why it still runs */
type Ending = (fate: string, cause?: unknown) => PodwrightError;

function watchEnding({ timeoutMs, signal }: ExecSyncOptions): {
  reached: Promise<Ending>;
  stop: () => void;
} {
  const stopped = new AbortController();
  let onAbort: () => void = () => undefined;
  const reached = new Promise<Ending>((resolve) => {
    onAbort = () =>
      resolve(
        (fate, cause = signal?.reason) =>
          new PodwrightError('cancelled', `The command was cancelled by its caller, and ${fate}.`, { cause }),
      );
    if (timeoutMs !== undefined) {
      const late: Ending = (fate, cause) => {
        const message = `The command did not end within ${timeoutMs} ms, and ${fate}.`;
        return new PodwrightError('timeout', message, { cause, details: { timeoutMs } });
      };
      new SystemClock().sleep(timeoutMs, stopped.signal).then(
        () => resolve(late),
        () => undefined,
      );
    }
  });
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return {
    reached,
    stop: () => {
      stopped.abort();
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
