import { PodwrightError } from '@podwright/core';
import { HostExecutor, verifyProcess } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { SandboxRecord } from '../sandbox-record.js';
import { infraCommand, infraInit } from './infra-command.js';
import type { InfraProcess } from './infra-process.js';

/** Tells the PID that the host has for this process, and becomes the program: /proc is the host's. */
const TELL_PID = 'read -r pid rest </proc/self/stat; echo "$pid"; exec "$@" </dev/null >/dev/null 2>&1';

/** Starts a program in a session of its own, which goes on when the caller ends, and passes its PID on. */
const DETACH = '{ setsid "$@" </dev/null & } | { read -r pid && echo "$pid"; }';

/** Keeps first processes on the host, in the cgroup of this process: what ends that cgroup ends them too. */
@injectable()
export class HostInfraProcess implements InfraProcess {
  constructor(@inject(HostExecutor) private readonly executor: HostExecutor) {}

  async start(sandbox: SandboxRecord, signal?: AbortSignal): Promise<number> {
    const init = ['sh', '-c', TELL_PID, 'infra', ...(await infraInit(this.executor))];
    const { stdout, stderr, exitCode } = await this.executor.run({
      command: 'sh',
      args: ['-c', DETACH, 'detach', ...infraCommand(sandbox, init)],
      okExitCodes: 'any',
      ...(signal ? { signal } : {}),
    });
    const pid = Number(stdout.toString().trim());
    if (exitCode === 0 && Number.isInteger(pid) && pid > 0) return pid;
    throw new PodwrightError(
      'command-failed',
      `The first process of sandbox ${sandbox.id} could not be started: ${stderr.toString().trim() || 'it said nothing'}. ` +
        'It takes nsenter, unshare and setsid of util-linux.',
      { details: { id: sandbox.id, exitCode, stderr: stderr.toString() } },
    );
  }

  async stop({ infra }: Pick<SandboxRecord, 'infra'>): Promise<void> {
    if (infra === undefined) return;
    try {
      await verifyProcess(this.executor, infra);
    } catch (error) {
      if (PodwrightError.is(error, 'failed-precondition')) return;
      throw error;
    }
    // The shell's own: not every host has the program. That it ended meanwhile is no failure.
    const args = ['-c', 'kill -KILL "$1"', 'kill', String(infra.pid)];
    await this.executor.run({ command: 'sh', args, okExitCodes: [0, 1] });
  }
}
