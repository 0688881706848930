import { PodwrightError } from '@podwright/core';
import { inject, injectable } from 'inversify';
import type { HostCommand, HostExecutor, HostProcess, HostResult, RunCommand } from './host-executor.js';
import { Nsenter } from './nsenter.js';

/** Runs commands on the host from inside the agent's container. The programs are the host's own. */
@injectable()
export class NsenterHostExecutor implements HostExecutor {
  constructor(@inject(Nsenter) private readonly nsenter: Nsenter) {}

  async run(command: RunCommand): Promise<HostResult> {
    return this.nsenter.exec({ ...command, command: await this.#program(command.command) });
  }

  async start(command: HostCommand): Promise<HostProcess> {
    return this.nsenter.spawn({ ...command, command: await this.#program(command.command) });
  }

  which(name: string): Promise<string | undefined> {
    return this.nsenter.which(name);
  }

  hostPath(path: string): string {
    return this.nsenter.hostPath(path);
  }

  /** Looked up here and not by nsenter, whose exit code could as well be the command's own. */
  async #program(name: string): Promise<string> {
    await this.nsenter.start();
    const path = await this.nsenter.which(name);
    if (path !== undefined) return path;
    throw new PodwrightError(
      'missing-requirement',
      `${name} was not found on the host: install it there, or configure its path.`,
      {
        details: { program: name },
      },
    );
  }
}
