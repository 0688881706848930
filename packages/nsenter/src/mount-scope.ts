import { type Logger, messageOf } from '@podwright/core';
import type { HostCommand, HostExecutor } from './host-executor.js';

/** How long systemd may take to answer, in milliseconds. */
const PROBE_TIMEOUT_MS = 10_000;

/** systemd-run's word for a machine whose first process is another. */
const NOT_BOOTED = /not been booted with systemd/;

/**
 * Runs commands in scopes of the host's systemd: what they leave behind is in a cgroup of its own then, which does not
 * end with the agent's unit.
 */
export class MountScope {
  #probe: Promise<string | undefined> | undefined;

  constructor(
    private readonly executor: HostExecutor,
    private readonly logger: Logger,
  ) {}

  /**
   * The command inside a scope; unchanged where systemd does not run, with a warning the first time. Where systemd runs
   * and gives no scope now, it is unchanged with a warning each time, and the next command asks again.
   * @param description for whoever lists units: every user of the host can read it
   */
  async wrap(command: HostCommand, description: string): Promise<HostCommand> {
    this.#probe ??= this.#findSystemdRun();
    const systemdRun = await this.#probe;
    if (systemdRun === undefined) return command;
    // systemd looks for programs elsewhere than the executor.
    const program = (await this.executor.which(command.command)) ?? command.command;
    return {
      ...command,
      command: systemdRun,
      args: [...scopeArguments(description), program, ...command.args],
    };
  }

  /** That the program is there says little: in a container it often is, and systemd does not run. */
  async #findSystemdRun(): Promise<string | undefined> {
    const path = await this.executor.which('systemd-run');
    const why = path === undefined ? 'the host has no systemd-run' : await this.#whyNotRunning(path);
    if (why === undefined) return path;
    if (path !== undefined && !NOT_BOOTED.test(why)) this.#probe = undefined;
    this.logger.warn(
      'File systems are mounted without a systemd scope: a daemon that a mount starts (FUSE) can end with the agent.',
      { reason: why },
    );
    return undefined;
  }

  async #whyNotRunning(systemdRun: string): Promise<string | undefined> {
    const args = scopeArguments('Podwright: whether systemd runs');
    const program = (await this.executor.which('true')) ?? 'true';
    return this.executor
      .run({ command: systemdRun, args: [...args, program], timeoutMs: PROBE_TIMEOUT_MS })
      .then(() => undefined, messageOf);
  }
}

/** A scope runs the command in systemd-run's own process: environment, streams and exit code are the command's. */
export function scopeArguments(description: string): string[] {
  // Anything that is no plain character would have to be quoted in the unit's file.
  const plain = description.replace(/[^ -~]/g, '?');
  return ['--quiet', '--scope', '--collect', `--description=${plain}`, '--'];
}
