import type { ExecSession, TerminalSize } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import type { OciRuntimeBinary } from './oci-runtime-command.js';
import type { OciProcess } from './runtime-spec.js';

/** The names of the two handlers, as `features.execHandler` and the backends' options have them. */
export type ExecHandlerKind = 'oci' | 'nsenter';

export interface ExecRequest {
  readonly runtime: OciRuntimeBinary;
  /** The container's id, as the runtime knows it. */
  readonly id: string;
  /** From `buildExecProcess`; `terminal` decides about a terminal. */
  readonly process: OciProcess;
  /** The container's own confinement has a seccomp filter. */
  readonly seccomp: boolean;
  /** The container's first process: its PID on the host, and the unit in which it has to be still. */
  readonly first: { readonly pid: number; readonly unit: string };
  /** An existing directory on the host; a directory for this exec is made in it and removed at its end. */
  readonly directory: string;
  /** Puts a process of the host where the container's processes are: AttachProcessesToUnit. */
  readonly attach: (pid: number) => Promise<void>;
  /** The command reads what is written to the session's `stdin`; else end of file. */
  readonly stdin?: boolean;
  readonly terminalSize?: TerminalSize;
  /** Kills the command when it fires, also later on. */
  readonly signal?: AbortSignal;
}

/** Runs commands in containers. */
export interface ExecHandler {
  readonly kind: ExecHandlerKind;
  /** What of a container's confinement its commands do not get, such as `seccomp`. */
  readonly gaps: readonly string[];
  /**
   * Resolves when the command was started.
   * @throws PodwrightError kind `command-failed` (it cannot be executed; with the words of who tried),
   *   `failed-precondition` (the container does not run), `missing-requirement` (a program of the host), `unsupported`
   *   (the gaps forbid it), `cancelled`, and what `attach` throws. The session's `exitCode` rejects with
   *   `command-failed` when the kernel refused the program after that, e.g. for its format.
   */
  exec(request: ExecRequest): Promise<ExecSession>;
}

export const ExecHandler: ServiceIdentifier<ExecHandler> = Symbol.for('podwright.oci.ExecHandler');
