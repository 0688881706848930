import { type CallOptions, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { SandboxManager } from '@podwright/sandbox';
import { inject, injectable } from 'inversify';

/** Reads the network interfaces of a sandbox in which no process runs: one of our own goes there to look. */
@injectable()
export class SandboxInterfaces {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
  ) {}

  /**
   * @returns the text of /proc/net/dev there; undefined when it has no network namespace, or was stopped meanwhile
   * @throws PodwrightError kind `command-failed` while the sandbox is ready, `missing-requirement`, `cancelled`
   */
  async read(sandboxId: string, { signal }: CallOptions = {}): Promise<string | undefined> {
    const path = this.sandboxes.get(sandboxId)?.namespaces.network;
    if (path === undefined) return undefined;
    const args = [`--net=${path}`, 'cat', '/proc/self/net/dev'];
    try {
      const { stdout } = await this.host.run({ command: 'nsenter', args, ...(signal ? { signal } : {}) });
      return stdout.toString('utf8');
    } catch (error) {
      if (PodwrightError.is(error, 'command-failed') && !(await this.sandboxes.verify(sandboxId))) {
        return undefined;
      }
      throw error;
    }
  }
}
