import type { Readable, Writable } from 'node:stream';
import { type ExecOptions, type ExecSession, PodwrightError, type TerminalSize } from '@podwright/core';
import { BytePipe, emptySource } from '../machine/byte-pipe.js';
import type { SimulatedProcess } from '../machine/simulated-process.js';
import { Terminal } from '../machine/terminal.js';
import { readableFrom, writableTo } from './pipe-streams.js';
import type { SimulatedContainer } from './simulated-container.js';

/**
 * Starts a command in a running container, with the container's environment, directory and user.
 * @throws PodwrightError kind `failed-precondition` (not running), `command-failed` (no such program)
 */
export function startExec(container: SimulatedContainer, options: ExecOptions): ExecSession {
  const table = container.processes;
  const { env, cwd, user } = container.plan;
  const program = table.findProgram(options.command[0] ?? '', env);
  if (!program) {
    throw new PodwrightError(
      'command-failed',
      `Container ${container.config.metadata.name} has no program "${options.command[0] ?? ''}" to run.`,
      { details: { command: options.command, exitCode: 127 } },
    );
  }
  const input = new BytePipe();
  const output = new BytePipe();
  const errors = new BytePipe();
  const terminal = options.tty ? new Terminal(output, options.terminalSize) : undefined;
  const process = table.spawn(program, {
    argv: options.command,
    env,
    cwd,
    user,
    stdin: options.stdin ? input : emptySource,
    stdout: terminal ?? output,
    stderr: terminal ?? errors,
    ...(terminal ? { terminal } : {}),
  });
  void process.ended.then(() => {
    input.closeReader();
    output.end();
    errors.end();
  });
  return new SimulatedExecSession(process, options, input, output, errors, terminal);
}

class SimulatedExecSession implements ExecSession {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr?: Readable;
  readonly exitCode: Promise<number>;

  constructor(
    private readonly process: SimulatedProcess,
    options: ExecOptions,
    input: BytePipe,
    output: BytePipe,
    errors: BytePipe,
    private readonly terminal: Terminal | undefined,
  ) {
    if (options.stdin) this.stdin = writableTo(input, () => input.end());
    const stdout = readableFrom(output);
    const stderr = terminal ? undefined : readableFrom(errors);
    this.stdout = stdout.stream;
    if (stderr) this.stderr = stderr.stream;
    this.exitCode = Promise.all([process.ended, stdout.given, stderr?.given]).then(([exit]) => exit.exitCode);
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.terminal) {
      throw new PodwrightError(
        'failed-precondition',
        'This command has no terminal to resize. Ask for one with tty.',
      );
    }
    this.terminal.resize(size);
  }

  async kill(): Promise<void> {
    this.process.killTree();
    await this.process.ended;
  }
}
