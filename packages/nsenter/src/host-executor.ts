import type { Readable, Writable } from 'node:stream';
import type { ServiceIdentifier } from 'inversify';

/** A command for the host. No shell ever reads it. */
export interface HostCommand {
  /** A name, looked up where the executor looks, or an absolute path on the host. */
  readonly command: string;
  readonly args: readonly string[];
  /** Given whole to standard input; absent: end of file at once. */
  readonly input?: string | Buffer;
  /** Added to the executor's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory on the host. */
  readonly cwd?: string;
  /** Texts that are masked wherever the command, its environment or its output is logged or told in an error. */
  readonly secrets?: readonly string[];
  /** SIGTERM then, SIGKILL two seconds later; fails with kind `timeout`. */
  readonly timeoutMs?: number;
  /** Ends it likewise; fails with kind `cancelled`. */
  readonly signal?: AbortSignal;
}

export interface HostResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exitCode: number;
}

export interface RunCommand extends HostCommand {
  /** Exit codes that are no failure; default: only 0. `any` accepts all. */
  readonly okExitCodes?: readonly number[] | 'any';
}

/** A running command with streams. Its output has to be read: nothing is buffered without bound. */
export interface HostProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when the process has ended, whether or not its streams have been read. Never rejects. */
  readonly exited: Promise<{ readonly exitCode: number; readonly signal?: NodeJS.Signals }>;
  kill(signal?: NodeJS.Signals): void;
}

/** The only way in which any package runs a command. */
export interface HostExecutor {
  /**
   * Runs a command to its end; does not wait for streams that a left-behind child holds open.
   * @throws PodwrightError kind `missing-requirement` (no such program), `permission-denied`, `command-failed` with
   *   `details.exitCode`, `details.stderr` and the command, `timeout`, `cancelled`
   */
  run(command: RunCommand): Promise<HostResult>;
  /** Starts a command. @throws as `run`, before it was executed */
  start(command: HostCommand): Promise<HostProcess>;
  /** Absolute path on the host of a program, or undefined. */
  which(name: string): Promise<string | undefined>;
  /** The path by which this process reaches a path of the host: the same, or below the host's root. */
  hostPath(path: string): string;
}

export const HostExecutor: ServiceIdentifier<HostExecutor> = Symbol.for('podwright.nsenter.HostExecutor');
