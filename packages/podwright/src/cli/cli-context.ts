import type { Readable, Writable } from 'node:stream';
import type { ContainerRuntime, RuntimeAccess } from '@podwright/core';
import type { Container } from 'inversify';
import type { ResolvedRuntimeConfig } from '../runtime-config.js';

/** Standard input: a terminal has what is optional here. */
export interface InputStream extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

/** Standard output or standard error; a terminal emits `resize`. */
export interface OutputStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Why a command is broken off: a signal, nobody who reads its output, or output that cannot be written. */
export type Interruption = 'SIGINT' | 'SIGTERM' | 'broken-pipe' | 'lost-output';

/** What the process gives to the command line. */
export interface CliIo {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires with an `Interruption` as its reason. */
  readonly signal: AbortSignal;
  /** Replaced in tests; it is not started yet. */
  createRuntime(config: ResolvedRuntimeConfig, options: RuntimeRequest): Promise<ContainerRuntime>;
  /** All parts of a runtime, none of them started; to read beside whoever changes pods, unless it is asked otherwise. */
  createContainer(config: ResolvedRuntimeConfig, request?: RuntimeRequest): Promise<Container>;
}

export interface RuntimeRequest {
  readonly access: RuntimeAccess;
  readonly lockTimeoutMs: number;
}

/** What a command works with; it takes nothing from the process by itself. */
export interface CliContext
  extends Pick<CliIo, 'stdin' | 'stdout' | 'stderr' | 'env' | 'signal' | 'createContainer'> {
  readonly config: ResolvedRuntimeConfig;
  nowMs(): number;
  /**
   * A started runtime; it is disposed of when the command has ended.
   * @param access `exclusive` waits for the lock of the state directory; `observe` works beside an agent
   */
  openRuntime(access: RuntimeAccess): Promise<ContainerRuntime>;
}
