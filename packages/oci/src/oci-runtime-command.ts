/** A command line without a shell. */
export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Runtimes whose command lines are known here. */
export type RuntimeFlavour = 'crun' | 'runc';

/** An OCI runtime on the host. */
export interface OciRuntimeBinary {
  readonly flavour: RuntimeFlavour;
  /** Absolute path on the host. */
  readonly path: string;
  /** Where it keeps its state; absent: its own default below /run. */
  readonly root?: string;
}

/** Options that come before the runtime's subcommand. */
export function runtimeGlobalArgs(runtime: OciRuntimeBinary): readonly string[] {
  return [
    ...(runtime.root === undefined ? [] : [`--root=${runtime.root}`]),
    // The container's unit is its cgroup: crun is to make none.
    ...(runtime.flavour === 'crun' ? ['--cgroup-manager=disabled'] : []),
  ];
}

/** Makes the container; its first process waits for `runtimeStart`. */
export function runtimeCreate(
  runtime: OciRuntimeBinary,
  options: { readonly id: string; readonly bundle: string; readonly pidFile?: string },
): CommandLine {
  const pidFile = options.pidFile === undefined ? [] : ['--pid-file', options.pidFile];
  return line(runtime, 'create', ['--bundle', options.bundle, ...pidFile, options.id]);
}

export function runtimeStart(runtime: OciRuntimeBinary, id: string): CommandLine {
  return line(runtime, 'start', [id]);
}

/** @param options `force`: kills what still runs, and is content when there is none */
export function runtimeDelete(
  runtime: OciRuntimeBinary,
  id: string,
  options: { readonly force?: boolean } = {},
): CommandLine {
  return line(runtime, 'delete', [...(options.force === true ? ['--force'] : []), id]);
}

/** @param signal name such as `SIGTERM`, or a number */
export function runtimeKill(runtime: OciRuntimeBinary, id: string, signal: string): CommandLine {
  return line(runtime, 'kill', [id, signal]);
}

/** Prints the container's state as JSON. */
export function runtimeState(runtime: OciRuntimeBinary, id: string): CommandLine {
  return line(runtime, 'state', [id]);
}

/**
 * Runs one more process in a container.
 * @param options `processFile`: an OciProcess as JSON; `pidFile`: written once the process is there; `consoleSocket`:
 *   with a terminal, where its master end is sent to; `detach`: does not wait for its end
 */
export function runtimeExec(
  runtime: OciRuntimeBinary,
  options: {
    readonly id: string;
    readonly processFile: string;
    readonly pidFile?: string;
    readonly consoleSocket?: string;
    readonly detach?: boolean;
  },
): CommandLine {
  return line(runtime, 'exec', [
    '--process',
    options.processFile,
    ...(options.pidFile === undefined ? [] : ['--pid-file', options.pidFile]),
    ...(options.consoleSocket === undefined ? [] : ['--console-socket', options.consoleSocket]),
    ...(options.detach === true ? ['--detach'] : []),
    options.id,
  ]);
}

function line(runtime: OciRuntimeBinary, subcommand: string, args: readonly string[]): CommandLine {
  return { command: runtime.path, args: [...runtimeGlobalArgs(runtime), subcommand, ...args], env: {} };
}
