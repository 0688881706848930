import type { Readable, Writable } from 'node:stream';
import type { CallOptions } from './call-options.js';

/** One line of a container, or a part of a long one. */
export interface LogEntry {
  /** Microseconds since the epoch. */
  readonly timestampUs: number;
  readonly stream: 'stdout' | 'stderr';
  /** The line without its line feed, byte for byte. */
  readonly line: Buffer;
  /** True when the line goes on in the next entry of the same stream. */
  readonly partial: boolean;
  /** Where to go on: pass it as `LogOptions.afterCursor`. */
  readonly cursor: string;
}

export interface LogOptions extends CallOptions {
  /** Go on with what comes, until the container has ended for good or the caller stops. Default: a snapshot. */
  readonly follow?: boolean;
  /** Only the last so many lines; absent: all. */
  readonly tail?: number;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** The attempt before the present one. Kind `not-found` when there is none. */
  readonly previous?: boolean;
  /** Go on after this entry. */
  readonly afterCursor?: string;
  /** Stop after so many bytes of lines, line feeds included. */
  readonly limitBytes?: number;
}

export interface ExecSyncResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exitCode: number;
}

export interface ExecSyncOptions extends CallOptions {
  /** The command and all its children are killed then, and the call fails with kind `timeout`. Absent: no limit. */
  readonly timeoutMs?: number;
  /** Bytes kept of stdout and of stderr each; default 16 MiB. What is over is dropped and said in the log. */
  readonly outputLimitBytes?: number;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecOptions extends CallOptions {
  readonly command: readonly string[];
  /** Ask for the command's standard input; without it, it reads end of file at once. */
  readonly stdin?: boolean;
  /** Give it a terminal; stderr then comes with stdout. */
  readonly tty?: boolean;
  /** Size of the terminal at the start. */
  readonly terminalSize?: TerminalSize;
}

export interface AttachOptions extends CallOptions {
  /** Write to the container's standard input; kind `failed-precondition` when it was created without `stdin`. */
  readonly stdin?: boolean;
}

/** How an attached client's session ended. */
export type AttachEnd =
  | { readonly type: 'exited'; readonly exitCode: number }
  | { readonly type: 'detached' };

/** A client attached to a container's first process, from now on. End `stdin` to half-close. */
export interface AttachSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  /** Absent with a terminal. */
  readonly stderr?: Readable;
  /** After the output was given in full. */
  readonly ended: Promise<AttachEnd>;
  /** @throws PodwrightError kind `failed-precondition` without a terminal */
  resize(size: TerminalSize): Promise<void>;
  /** Leaves; the container runs on. */
  detach(): Promise<void>;
}

/** A running command. End `stdin` to half-close; `kill` ends it and its children. */
export interface ExecSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  /** Absent with a terminal. */
  readonly stderr?: Readable;
  /** The command's exit code, 128 + n when signal n ended it; after the output was given in full. */
  readonly exitCode: Promise<number>;
  resize(size: TerminalSize): Promise<void>;
  kill(): Promise<void>;
}

export interface PortForwardOptions extends CallOptions {
  /** Address or name to connect to, as the pod reaches it, e.g. the pod's own IP. Absent: the loopback address. */
  readonly host?: string;
}

export interface StopOptions extends CallOptions {
  /** Time for the container to end by itself; 0 kills at once. Absent: its `terminationGraceMs`. */
  readonly graceMs?: number;
}
