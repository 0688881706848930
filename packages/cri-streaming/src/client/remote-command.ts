import type { Readable, Writable } from 'node:stream';
import type { CallOptions, TerminalSize } from '@podwright/core';

export interface RemoteCommandOptions extends CallOptions {
  /** Open the standard input; the URL must have been asked for with it, as with all of these. */
  readonly stdin?: boolean;
  /** Default true. */
  readonly stdout?: boolean;
  /** Default: true without a terminal, and never with one. */
  readonly stderr?: boolean;
  readonly tty?: boolean;
}

/** A command or an attachment at the other end of a streaming URL. */
export interface RemoteCommand {
  /** End it to half-close. */
  readonly stdin?: Writable;
  readonly stdout?: Readable;
  readonly stderr?: Readable;
  /**
   * The command's exit code; 0 also when an attachment has ended well. After all output has come, which can be read
   * later; but beyond 256 KiB that nobody reads the server may be held up, and this waits.
   * @throws PodwrightError kind `command-failed` with the server's words, `unavailable` when the connection was lost,
   *   `cancelled`
   */
  readonly exitCode: Promise<number>;
  /** @throws PodwrightError kind `failed-precondition` without a terminal */
  resize(size: TerminalSize): Promise<void>;
  /** Drops the connection; whether the command runs on is the server's choice. */
  close(): Promise<void>;
}
