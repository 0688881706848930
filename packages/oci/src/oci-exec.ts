import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExecSession, PodwrightError, type TerminalSize } from '@podwright/core';
import { HostExecutor, type HostProgram, shellQuote, type UsesHostPrograms } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { ExecHandler, ExecRequest } from './exec-handler.js';
import { execGated } from './gated-exec.js';
import { type CommandLine, runtimeExec } from './oci-runtime-command.js';
import { readRuntimeErrors } from './runtime-errors.js';
import { sttySize } from './terminal-resize.js';

/**
 * `crun exec` or `runc exec` behind the gate: the runtime reapplies all of the container's confinement. For a terminal
 * the runtime wants one on its own side: script(1) gives it one, set raw before anything is written to it, so that only
 * the container's terminal edits and echoes.
 */
@injectable()
export class GatedOciExec implements ExecHandler, UsesHostPrograms {
  readonly kind = 'oci';
  readonly gaps = [];

  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [
      { name: 'script', debianPackage: 'bsdutils', version: { args: ['--version'] } },
      { name: 'stty', debianPackage: 'coreutils' },
    ];
  }

  async exec(request: ExecRequest): Promise<ExecSession> {
    const { executor } = this;
    const { terminal } = request.process;
    if (terminal && (await executor.which('script')) === undefined) {
      throw new PodwrightError(
        'missing-requirement',
        'A terminal in a container takes the program script of util-linux (Debian: bsdutils), which this host lacks.',
      );
    }
    return await execGated(executor, request, async (directory) => {
      const processFile = join(directory, 'process.json');
      const pidFile = join(directory, 'pid');
      const logFile = join(directory, 'log');
      // Its environment may hold secrets.
      await writeFile(executor.hostPath(processFile), JSON.stringify(request.process), { mode: 0o600 });
      const line = runtimeExec(request.runtime, { id: request.id, processFile, pidFile, logFile });
      return {
        line: terminal ? withTerminal(line, pidFile, request.terminalSize) : line,
        pidFile,
        failure: () => readRuntimeErrors(executor.hostPath(logFile)),
      };
    });
  }
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
