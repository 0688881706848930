import type { Readable } from 'node:stream';
import {
  type ContainerRef,
  type ContainerRuntime,
  type ExecSession,
  messageOf,
  PodwrightError,
} from '@podwright/core';

export interface CopyRequest {
  readonly local: string;
  readonly container: ContainerRef;
  /** In the container. */
  readonly path: string;
}

const STDERR_LIMIT = 4000;

/** Starts the container's own tar. @throws PodwrightError kind `missing-requirement` when it has none */
export async function startTar(
  runtime: ContainerRuntime,
  container: ContainerRef,
  args: readonly string[],
  options: { readonly stdin: boolean; readonly signal: AbortSignal },
): Promise<ExecSession> {
  try {
    return await runtime.execInContainer(container, { command: ['tar', ...args], ...options });
  } catch (error) {
    throw tarFailure(error);
  }
}

/** Waits for its end. @throws PodwrightError kind `command-failed` with its own words */
export async function finishTar(session: ExecSession, said: Promise<string>, doing: string): Promise<void> {
  const exitCode = await session.exitCode.catch((error: unknown) => {
    throw tarFailure(error);
  });
  if (exitCode === 0) return;
  const words = (await said).trim();
  const message = `${doing} failed: tar in the container ended with exit code ${exitCode}${words ? `: ${words}` : '.'}`;
  const kind = /No such file|Not found|can't open|Cannot open/i.test(words) ? 'not-found' : 'command-failed';
  throw new PodwrightError(exitCode === 127 ? 'missing-requirement' : kind, message);
}

/** The beginning of a stream as text; the rest is read and dropped. */
export async function textOf(stream: Readable | undefined): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) if (text.length < STDERR_LIMIT) text += String(chunk);
  return text.slice(0, STDERR_LIMIT);
}

function tarFailure(error: unknown): unknown {
  if (!PodwrightError.is(error, 'command-failed')) return error;
  return new PodwrightError(
    'missing-requirement',
    `The container has no program tar that can be executed, and copying takes one (${messageOf(error)}). Use a volume, or an image with tar.`,
    { cause: error },
  );
}
