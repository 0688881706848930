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
 * Runs one more process in a container and ends with its exit code.
 * @param options `processFile`: an OciProcess as JSON; `pidFile`: written when the process is there, never when the
 *   program is not found; `logFile`: the runtime's own words as lines of JSON, none when the program was executed
 */
export function runtimeExec(
  runtime: OciRuntimeBinary,
  options: {
    readonly id: string;
    readonly processFile: string;
    readonly pidFile: string;
    readonly logFile: string;
  },
): CommandLine {
  const args = ['--process', options.processFile, '--pid-file', options.pidFile, options.id];
  return line(runtime, 'exec', args, [`--log=${options.logFile}`, '--log-format=json']);
}

function line(
  runtime: OciRuntimeBinary,
  subcommand: string,
  args: readonly string[],
  globalArgs: readonly string[] = [],
): CommandLine {
  return {
    command: runtime.path,
    args: [...runtimeGlobalArgs(runtime), ...globalArgs, subcommand, ...args],
    env: {},
  };
}
