import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExecSession, messageOf, PodwrightError, throwIfAborted } from '@podwright/core';
import type { HostExecutor } from '@podwright/nsenter';
import type { ExecRequest } from './exec-handler.js';
import { startGated } from './gated-command.js';
import type { CommandLine } from './oci-runtime-command.js';
import { OutputRelay } from './output-relay.js';
import { PidFileWatch, readPidFile } from './pid-file-watch.js';
import { killProcessTree } from './process-tree.js';
import { checkTerminalSize, resizeTerminal } from './terminal-resize.js';

/** Time that who started a command has to notice that it was killed, in milliseconds. */
const KILL_DELAY_MS = 2000;

/** What a handler says of one command. */
export interface GatedExec {
  /** Started behind the gate; it ends with the command's exit code, 128 + n for a signal. */
  readonly line: CommandLine;
  /** Path on the host, in the exec's directory: written with the command's PID on the host when it was started. */
  readonly pidFile: string;
  /** Why the command was not executed; undefined when it was. */
  readonly failure: () => Promise<string | undefined>;
}

/**
 * Runs a command that a handler has prepared: behind the gate, with streams, abort, kill and exit code.
 * @param prepare writes into the exec's own directory, a path on the host, what the command needs
 */
export async function execGated(
  executor: HostExecutor,
  request: ExecRequest,
  prepare: (directory: string) => Promise<GatedExec>,
): Promise<ExecSession> {
  throwIfAborted(request.signal);
  if (request.terminalSize !== undefined) checkTerminalSize(request.terminalSize);
  const directory = join(request.directory, `exec-${randomUUID()}`);
  await mkdir(executor.hostPath(directory), { mode: 0o700 });
  const remove = () => rm(executor.hostPath(directory), { recursive: true, force: true });
  try {
    return await start(executor, request, await prepare(directory), directory, remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function start(
  executor: HostExecutor,
  request: ExecRequest,
  exec: GatedExec,
  directory: string,
  remove: () => Promise<void>,
): Promise<ExecSession> {
  const { terminal } = request.process;
  using pidFile = new PidFileWatch(executor.hostPath(directory), executor.hostPath(exec.pidFile));
  const process = await startGated(executor, exec.line, request.attach);
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
        : await pidOfEnded(executor, request, exec, async () => {
            await Promise.all([stdout.done, stderr.done]);
            return `${text(stderr) || text(stdout) || 'no word'} (exit code ${outcome.exitCode})`;
          });
  } catch (error) {
    abort.stop();
    if (running) {
      await killProcessTree(executor, process.pid).catch((cause: unknown) => {
        throw new PodwrightError(
          PodwrightError.is(error) ? error.kind : 'internal',
          `${messageOf(error)} Besides, ${messageOf(cause)}`,
          { cause: new AggregateError([error, cause]) },
        );
      });
    }
    throw error;
  }
  if (request.stdin !== true) process.stdin.end();

  const kill = async () => {
    if (!running) return;
    await killProcessTree(executor, pid).catch((cause: unknown) => {
      // What waits for the session is let go.
      process.kill('SIGKILL');
      throw cause;
    });
    const late = setTimeout(() => process.kill('SIGKILL'), KILL_DELAY_MS);
    await exited;
    clearTimeout(late);
  };
  const exitCode = exited.then(async ({ exitCode: code }) => {
    abort.stop();
    const said = await exec.failure();
    await remove();
    await Promise.all([stdout.done, terminal ? undefined : stderr.done]);
    if (said !== undefined) throw startError(request, said);
    return code;
  });
  // Whoever does not ask for the code is not to be ended by it.
  exitCode.catch(() => undefined);
  // When it fails, the exit code tells that the command was let go.
  void abort.fired.then(kill).catch(() => undefined);
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

/** What has ended already may have run a short command, or none. */
async function pidOfEnded(
  executor: HostExecutor,
  request: ExecRequest,
  exec: GatedExec,
  otherWords: () => Promise<string>,
): Promise<number> {
  const said = await exec.failure();
  if (said !== undefined) throw startError(request, said);
  const pid = await readPidFile(executor.hostPath(exec.pidFile));
  if (pid === undefined) throw startError(request, await otherWords());
  return pid;
}

function startError({ process, id }: ExecRequest, said: string): PodwrightError {
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

function cancelled({ process, signal }: ExecRequest): PodwrightError {
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
