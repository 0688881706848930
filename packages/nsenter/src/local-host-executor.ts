import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { Logger, messageOf, PodwrightError, SystemClock } from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import type { HostCommand, HostExecutor, HostProcess, HostResult, RunCommand } from './host-executor.js';
import { SYSTEM_DIRS } from './host-root.js';
import { drain, OutputCollector } from './output-collector.js';
import { ProcessGroup } from './process-group.js';
import { describeCommand, maskSecrets } from './secrets.js';

export interface LocalHostExecutorOptions {
  /** Absolute path by program name; a name that is absent or has an empty path is looked up in $PATH. */
  readonly binaries?: Readonly<Record<string, string>>;
  /** Bytes that `run` takes of stdout and of stderr each; more fails it. Default 256 MiB. */
  readonly outputLimitBytes?: number;
}

export const LocalHostExecutorOptions: ServiceIdentifier<LocalHostExecutorOptions> = Symbol.for(
  'podwright.nsenter.LocalHostExecutorOptions',
);

const DEFAULT_OUTPUT_LIMIT_BYTES = 256 * 1024 * 1024;
const STDERR_IN_MESSAGE = 2000;

/**
 * Runs commands on the machine it is on. Each is logged at debug level, with its secrets masked and its environment by
 * name only. What still runs when this process exits is ended with SIGTERM.
 */
@injectable()
export class LocalHostExecutor implements HostExecutor {
  constructor(
    @inject(Logger) private readonly logger: Logger,
    @inject(LocalHostExecutorOptions) private readonly options: LocalHostExecutorOptions,
  ) {}

  async run(command: RunCommand): Promise<HostResult> {
    const shown = describeCommand(command.command, command.args, command.secrets);
    const startedAt = performance.now();
    const group = await this.#spawn(command, shown, command.input === undefined ? null : 'pipe');
    if (command.input !== undefined) this.#feed(group, command.input, shown);

    const limitBytes = this.options.outputLimitBytes ?? DEFAULT_OUTPUT_LIMIT_BYTES;
    const watch = watchEndings(command);
    const onOverflow = () =>
      watch.end({ kind: 'command-failed', why: `wrote more than ${limitBytes} bytes` });
    const collectors = [group.stdout, group.stderr].map(
      (s) => new OutputCollector(s, limitBytes, onOverflow),
    );
    try {
      const ending = await Promise.race([group.exited.then(() => undefined), watch.ending]);
      const ended = ending === undefined || (await group.end());
      await drain(collectors);
      const [stdout, stderr] = collectors.map((collector) => collector.take()) as [Buffer, Buffer];
      if (ending !== undefined) throw endingError(shown, ending, ended, group.pid);
      const exit = await group.exited;
      this.logger.debug('command ended', {
        command: shown,
        pid: group.pid,
        exitCode: exit.exitCode,
        durationMs: Math.round(performance.now() - startedAt),
      });
      const ok = command.okExitCodes ?? [0];
      if (ok !== 'any' && !ok.includes(exit.exitCode))
        throw this.#failure(command, shown, exit, stdout, stderr);
      return { stdout, stderr, exitCode: exit.exitCode };
    } finally {
      watch.stop();
    }
  }

  /** With `input` standard input is written and ended; without it stays open for the caller. */
  async start(command: HostCommand): Promise<HostProcess> {
    const shown = describeCommand(command.command, command.args, command.secrets);
    const group = await this.#spawn(command, shown, 'pipe');
    const { stdin } = group;
    if (stdin === undefined) throw new PodwrightError('internal', `${shown} has no standard input.`);
    if (command.input !== undefined) this.#feed(group, command.input, shown);
    const watch = watchEndings(command);
    void watch.ending.then(() => group.end());
    void group.exited.then(({ exitCode }) => {
      watch.stop();
      this.logger.debug('command ended', { command: shown, pid: group.pid, exitCode });
    });
    return {
      pid: group.pid,
      stdin,
      stdout: group.stdout,
      stderr: group.stderr,
      exited: group.exited,
      kill: (signal) => group.kill(signal),
    };
  }

  async which(name: string): Promise<string | undefined> {
    const configured = this.options.binaries?.[name];
    if (configured) return isExecutable(configured) ? configured : undefined;
    if (name.includes('/')) return isAbsolute(name) && isExecutable(name) ? name : undefined;
    return searchPath(process.env['PATH'])
      .map((directory) => join(directory, name))
      .find(isExecutable);
  }

  hostPath(path: string): string {
    return path;
  }

  async #spawn(command: HostCommand, shown: string, stdin: 'pipe' | null): Promise<ProcessGroup> {
    if (command.signal?.aborted) {
      throw new PodwrightError('cancelled', `${shown} was cancelled before it started.`, {
        cause: command.signal.reason,
      });
    }
    if ([command.command, ...command.args].some((word) => word.includes('\0'))) {
      throw new PodwrightError(
        'invalid-argument',
        `${shown} has an argument with a NUL byte: no program can take it.`,
      );
    }
    try {
      const group = await ProcessGroup.spawn({
        file: this.options.binaries?.[command.command] || command.command,
        args: command.args,
        env: { PATH: searchPath(process.env['PATH']).join(delimiter), ...command.env },
        ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
        stdin,
      });
      this.logger.debug('command started', {
        command: shown,
        pid: group.pid,
        ...(command.env === undefined ? {} : { env: Object.keys(command.env) }),
        ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      });
      return group;
    } catch (error) {
      throw this.#spawnError(command, shown, error);
    }
  }

  #feed(group: ProcessGroup, input: string | Buffer, shown: string): void {
    // A command may end without reading all of its input; its exit code says whether that was well.
    group.stdin?.on('error', (error) => {
      this.logger.debug('command did not read all of its input', { command: shown, error: error.message });
    });
    group.stdin?.end(input);
  }

  #spawnError(command: HostCommand, shown: string, cause: unknown): PodwrightError {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const details = { command: shown, program: command.command, code };
    if (code === 'ENOENT' && command.cwd !== undefined && !isDirectory(command.cwd)) {
      const message = `${shown} cannot run in ${command.cwd}: there is no such directory.`;
      return new PodwrightError('not-found', message, { cause, details });
    }
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const configured = this.options.binaries?.[command.command];
      const where = configured ? `at its configured path ${configured}` : 'in $PATH';
      const message = `${command.command} was not found${isAbsolute(command.command) ? '' : ` ${where}`}: install it, or configure its path.`;
      return new PodwrightError('missing-requirement', message, { cause, details });
    }
    const reason = maskSecrets(messageOf(cause), command.secrets);
    if (code === 'EACCES' || code === 'EPERM') {
      return new PodwrightError('permission-denied', `${shown} may not be executed: ${reason}.`, {
        cause,
        details,
      });
    }
    return new PodwrightError('command-failed', `${shown} could not be executed: ${reason}.`, {
      cause,
      details,
    });
  }

  #failure(
    command: HostCommand,
    shown: string,
    exit: { readonly exitCode: number; readonly signal?: NodeJS.Signals },
    stdout: Buffer,
    stderr: Buffer,
  ): PodwrightError {
    const text = (output: Buffer) => maskSecrets(output.toString('utf8'), command.secrets).trim();
    const said = text(stderr) || text(stdout);
    const tail = said.length > STDERR_IN_MESSAGE ? `…${said.slice(-STDERR_IN_MESSAGE)}` : said;
    const how =
      exit.signal === undefined ? `failed with exit code ${exit.exitCode}` : `was ended by ${exit.signal}`;
    return new PodwrightError(
      'command-failed',
      `${shown} ${how}${tail === '' ? ' and said nothing' : `: ${tail}`}`,
      {
        details: { command: shown, ...exit, stdout: text(stdout), stderr: text(stderr) },
      },
    );
  }
}

/** Why a command is ended before its time. */
interface Ending {
  readonly kind: 'timeout' | 'cancelled' | 'command-failed';
  readonly why: string;
  readonly cause?: unknown;
}

interface EndingWatch {
  readonly ending: Promise<Ending>;
  readonly end: (ending: Ending) => void;
  readonly stop: () => void;
}

function watchEndings({ signal, timeoutMs }: HostCommand): EndingWatch {
  let end: (ending: Ending) => void = () => undefined;
  const ending = new Promise<Ending>((resolve) => {
    end = resolve;
  });
  const onAbort = () => end({ kind: 'cancelled', why: 'was cancelled by its caller', cause: signal?.reason });
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const stopped = new AbortController();
  if (timeoutMs !== undefined) {
    new SystemClock().sleep(timeoutMs, stopped.signal).then(
      () => end({ kind: 'timeout', why: `did not end within ${timeoutMs} ms` }),
      () => undefined,
    );
  }
  return {
    ending,
    end,
    stop: () => {
      stopped.abort();
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

function endingError(shown: string, ending: Ending, ended: boolean, pid: number): PodwrightError {
  const outcome = ended ? 'it was ended' : `it cannot be ended, not even by SIGKILL (process ${pid})`;
  return new PodwrightError(ending.kind, `${shown} ${ending.why}; ${outcome}.`, {
    cause: ending.cause,
    details: { command: shown, pid, ended },
  });
}

/** $PATH and what that of an ordinary user or of a service often lacks: the administrator's directories. */
function searchPath(path: string | undefined): string[] {
  const own = (path ?? '').split(delimiter).filter(isAbsolute);
  return [...new Set([...own, ...SYSTEM_DIRS])];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
