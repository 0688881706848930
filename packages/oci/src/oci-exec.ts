import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExecSession, PodwrightError, type TerminalSize, throwIfAborted } from '@podwright/core';
import { HostExecutor, type HostProgram, shellQuote, type UsesHostPrograms } from '@podwright/nsenter';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { startGated } from './gated-command.js';
import { type CommandLine, type OciRuntimeBinary, runtimeExec } from './oci-runtime-command.js';
import { OutputRelay } from './output-relay.js';
import { PidFileWatch, readPidFile } from './pid-file-watch.js';
import { killProcessTree } from './process-tree.js';
import { readRuntimeErrors } from './runtime-errors.js';
import type { OciProcess } from './runtime-spec.js';
import { checkTerminalSize, resizeTerminal, sttySize } from './terminal-resize.js';

/** Time a runtime has to notice that its command was killed, in milliseconds. */
const KILL_DELAY_MS = 2000;

export interface OciExecRequest {
  readonly runtime: OciRuntimeBinary;
  /** The container's id, as the runtime knows it. */
  readonly id: string;
  /** From `buildExecProcess`; `terminal` decides about a terminal. */
  readonly process: OciProcess;
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

/** Runs commands in containers through their OCI runtime. */
export interface OciExec {
  /**
   * Resolves when the command was started.
   * @throws PodwrightError kind `command-failed` (it cannot be executed; with the runtime's own words),
   *   `failed-precondition` (the container does not run), `missing-requirement` (`script`, for a terminal), `cancelled`,
   *   and what `attach` throws. The session's `exitCode` rejects with `command-failed` when the kernel refused the
   *   program after that, e.g. for its format.
   */
  exec(request: OciExecRequest): Promise<ExecSession>;
}

export const OciExec: ServiceIdentifier<OciExec> = Symbol.for('podwright.oci.OciExec');

/**
 * `crun exec` or `runc exec` behind the gate. For a terminal the runtime wants one on its own side: script(1) gives it
 * one, set raw before anything is written to it, so that only the container's terminal edits and echoes.
 */
@injectable()
export class GatedOciExec implements OciExec, UsesHostPrograms {
  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [
      { name: 'script', debianPackage: 'bsdutils', version: { args: ['--version'] } },
      { name: 'stty', debianPackage: 'coreutils' },
    ];
  }

  async exec(request: OciExecRequest): Promise<ExecSession> {
    throwIfAborted(request.signal);
    if (request.terminalSize !== undefined) checkTerminalSize(request.terminalSize);
    const { terminal } = request.process;
    if (terminal && (await this.executor.which('script')) === undefined) {
      throw new PodwrightError(
        'missing-requirement',
        'A terminal in a container takes the program script of util-linux (Debian: bsdutils), which this host lacks.',
      );
    }
    const directory = join(request.directory, `exec-${randomUUID()}`);
    await mkdir(this.executor.hostPath(directory), { mode: 0o700 });
    const remove = () => rm(this.executor.hostPath(directory), { recursive: true, force: true });
    try {
      return await this.#start(request, directory, remove);
    } catch (error) {
      await remove();
      throw error;
    }
  }

  async #start(
    request: OciExecRequest,
    directory: string,
    remove: () => Promise<void>,
  ): Promise<ExecSession> {
    const { executor } = this;
    const { terminal } = request.process;
    const files: ExecFiles = {
      processFile: join(directory, 'process.json'),
      pidFile: join(directory, 'pid'),
      logFile: join(directory, 'log'),
    };
    // Its environment may hold secrets.
    await writeFile(executor.hostPath(files.processFile), JSON.stringify(request.process), { mode: 0o600 });
    using pidFile = new PidFileWatch(executor.hostPath(directory), executor.hostPath(files.pidFile));
    const runtime = runtimeExec(request.runtime, { id: request.id, ...files });
    const line = terminal ? withTerminal(runtime, files.pidFile, request.terminalSize) : runtime;
    const process = await startGated(executor, line, request.attach);
    // A terminal takes its end of file only when it is raw and the command is there.
    if (request.stdin !== true && !terminal) process.stdin.end();

    const stdout = new OutputRelay(process.stdout);
    const stderr = new OutputRelay(process.stderr);
    let running = true;
    const exited = process.exited.then((exit) => {
      running = false;
      stdout.ended();
      stderr.ended();
      return exit;
    });
    const abort = watchAbort(request.signal);
    let pid: number;
    try {
      const outcome = await Promise.race([pidFile.pid, exited, abort.fired]);
      if (outcome === 'aborted') throw cancelled(request);
      pid =
        typeof outcome === 'number'
          ? outcome
          : await this.#pidOfEnded(request, files, async () => {
              await Promise.all([stdout.done, stderr.done]);
              return `${text(stderr) || text(stdout) || 'no word'} (exit code ${outcome.exitCode})`;
            });
    } catch (error) {
      abort.stop();
      if (running) await killProcessTree(executor, process.pid);
      throw error;
    }
    if (request.stdin !== true) process.stdin.end();

    const kill = async () => {
      if (!running) return;
      await killProcessTree(executor, pid);
      const late = setTimeout(() => process.kill('SIGKILL'), KILL_DELAY_MS);
      await exited;
      clearTimeout(late);
    };
    const exitCode = exited.then(async ({ exitCode: code }) => {
      abort.stop();
      const said = await readRuntimeErrors(executor.hostPath(files.logFile));
      await remove();
      await Promise.all([stdout.done, terminal ? undefined : stderr.done]);
      if (said !== undefined) throw startError(request, said);
      return code;
    });
    // Whoever does not ask for the code is not to be ended by it.
    exitCode.catch(() => undefined);
    void abort.fired.then(kill).catch(() => process.kill('SIGKILL'));
    return {
      ...(request.stdin === true && { stdin: process.stdin }),
      stdout: stdout.output,
      ...(!terminal && { stderr: stderr.output }),
      exitCode,
      resize: async (size) => {
        if (running) await resizeTerminal(executor, pid, size);
      },
      kill,
    };
  }

  /** A runtime that has ended already may have run a short command, or none. */
  async #pidOfEnded(
    request: OciExecRequest,
    files: ExecFiles,
    otherWords: () => Promise<string>,
  ): Promise<number> {
    const said = await readRuntimeErrors(this.executor.hostPath(files.logFile));
    if (said !== undefined) throw startError(request, said);
    const pid = await readPidFile(this.executor.hostPath(files.pidFile));
    if (pid === undefined) throw startError(request, await otherWords());
    return pid;
  }
}

interface ExecFiles {
  readonly processFile: string;
  readonly pidFile: string;
  readonly logFile: string;
}

/**
 * The runtime's command line with a raw terminal around it; script ends with the command's exit code.
 *
 * crun ends when its last child has, without a look at what its terminal still has to say: output of short commands was
 * lost in 60 of 240 runs with 1.8.1. So it is given one more child, which ends a moment after crun has reaped the
 * command: until then crun goes on copying.
 */
function withTerminal(runtime: CommandLine, pidFile: string, size: TerminalSize | undefined): CommandLine {
  const setUp = ['stty', 'raw', '-echo', ...(size === undefined ? [] : sttySize(size))];
  const pid = shellQuote(pidFile);
  // $$ is the shell, and then the runtime, which may end without having started anything.
  const child =
    `while [ ! -s ${pid} ] && kill -0 $$; do sleep 0.05; done; ` +
    `tail --pid="$(cat ${pid})" -s 0.1 -f /dev/null; sleep 0.1`;
  const shell = [
    `${setUp.join(' ')} || exit 125`,
    `(${child}) </dev/null >/dev/null 2>&1 &`,
    `exec ${[runtime.command, ...runtime.args].map(shellQuote).join(' ')}`,
  ].join('\n');
  return {
    command: 'script',
    args: ['--quiet', '--return', '--command', shell, '/dev/null'],
    env: { ...runtime.env, SHELL: '/bin/sh' },
  };
}

function startError({ process, id }: OciExecRequest, said: string): PodwrightError {
  const details = { container: id, program: process.args[0], said };
  // crun's and runc's words for a container whose first process is gone, before and after its state is removed.
  if (
    /is not running|setns\(pid|cannot exec in a stopped|does not exist|\/status`: No such file/.test(said)
  ) {
    return new PodwrightError('failed-precondition', `The container ${id} does not run: ${said}`, {
      details,
    });
  }
  return new PodwrightError(
    'command-failed',
    `"${process.args[0]}" cannot be executed in the container ${id}: ${said}`,
    { details },
  );
}

function cancelled({ process, signal }: OciExecRequest): PodwrightError {
  return new PodwrightError('cancelled', `Running "${process.args[0]}" was cancelled by its caller.`, {
    cause: signal?.reason,
  });
}

function text(relay: OutputRelay): string {
  return String(relay.output.read() ?? '').trim();
}

function watchAbort(signal: AbortSignal | undefined): { fired: Promise<'aborted'>; stop: () => void } {
  let onAbort: () => void = () => undefined;
  const fired = new Promise<'aborted'>((resolve) => {
    onAbort = () => resolve('aborted');
  });
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return { fired, stop: () => signal?.removeEventListener('abort', onAbort) };
}
