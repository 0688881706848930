import { PodwrightError } from '@podwright/core';
import { type CommandLine, type OciRuntimeBinary, runtimeGlobalArgs } from './oci-runtime-command.js';

/** What conmon, the monitor of one container, is told. All paths are the host's. */
export interface ConmonOptions {
  /** Absolute path of conmon. */
  readonly conmonPath: string;
  readonly runtime: OciRuntimeBinary;
  /** Longer than 12 characters: conmon cuts it there for the journal's short form. */
  readonly id: string;
  /** CONTAINER_NAME of the log lines. */
  readonly name: string;
  /** Directory that holds `config.json`. */
  readonly bundle: string;
  /** Where the PID of the container's first process is written. */
  readonly containerPidFile: string;
  /** Where conmon's own PID is written, before the command that was called ends. */
  readonly conmonPidFile?: string;
  /** Directory in which a file named like the id gets the exit code. */
  readonly exitDir: string;
  /** Where the runtime writes its own words about the creation: lines of JSON, for `runtimeErrors`. */
  readonly runtimeLogFile?: string;
  /** Also writes the kubelet's log format to this file. */
  readonly k8sLogPath?: string;
  /** CONTAINER_TAG of the log lines. */
  readonly logTag?: string;
  /** Gives the container a standard input that attached clients write to. */
  readonly stdin?: boolean;
  /** Keeps that input open when such a client goes. */
  readonly leaveStdinOpen?: boolean;
  /** Gives the container a terminal. `process.terminal` of its document has to agree. */
  readonly terminal?: boolean;
  /**
   * Inherited descriptor to which conmon writes one line of JSON when the container was created, see
   * `parseConmonReport`. Default 3.
   */
  readonly syncPipeFd?: number;
}

/**
 * conmon's command line: it creates the container, forwards its output to the journal byte for byte and ends with its
 * exit code. The container waits for `runtimeStart`.
 * @throws PodwrightError kind `invalid-argument` for an id that conmon cannot take
 */
export function conmonCommand(options: ConmonOptions): CommandLine {
  if (options.id.length <= 12) {
    throw new PodwrightError(
      'invalid-argument',
      `The id "${options.id}" is too short: conmon needs 13 characters.`,
    );
  }
  const args = ['--api-version', '1', '--cid', options.id, '--cuuid', options.id, '--name', options.name];
  args.push('--runtime', options.runtime.path);
  for (const arg of runtimeGlobalArgs(options.runtime)) args.push('--runtime-arg', arg);
  if (options.runtimeLogFile !== undefined) {
    args.push('--runtime-arg', `--log=${options.runtimeLogFile}`, '--runtime-arg', '--log-format=json');
  }
  args.push('--bundle', options.bundle, '--container-pidfile', options.containerPidFile);
  if (options.conmonPidFile !== undefined) args.push('--conmon-pidfile', options.conmonPidFile);
  args.push('--exit-dir', options.exitDir);
  args.push('--log-path', 'journald:');
  if (options.k8sLogPath !== undefined) args.push('--log-path', `k8s-file:${options.k8sLogPath}`);
  if (options.logTag !== undefined) args.push('--log-tag', options.logTag);
  if (options.stdin === true) args.push('--stdin');
  if (options.leaveStdinOpen === true) args.push('--leave-stdin-open');
  if (options.terminal === true) args.push('--terminal');
  // The attach socket lies in the bundle; its path may then be longer than the 108 bytes of sockaddr_un.
  args.push('--full-attach');
  return { command: options.conmonPath, args, env: { _OCI_SYNCPIPE: String(options.syncPipeFd ?? 3) } };
}

/** What conmon wrote to its sync pipe: the PID of what it made, or why there is none. */
export type ConmonReport = { readonly pid: number } | { readonly error: string };

/**
 * Reads one line of conmon's sync pipe.
 * @throws PodwrightError kind `container-start-failed` when it is no such line
 */
export function parseConmonReport(line: string): ConmonReport {
  const report = parseJson(line);
  if (typeof report === 'object' && report !== null) {
    // With an exec the exit code comes under the name of the first field, as `exit_code`.
    const { pid, data, message } = report as { pid?: unknown; data?: unknown; message?: unknown };
    const number = pid ?? data;
    if (typeof number === 'number' && number > 0) return { pid: number };
    if (typeof number === 'number') {
      return {
        error: typeof message === 'string' && message !== '' ? message.trim() : 'conmon gave no reason',
      };
    }
  }
  throw new PodwrightError(
    'container-start-failed',
    `conmon said "${line.trim()}" when it should have told the container's PID: is it conmon 2.1 or newer?`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
