import type { CallOptions } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { MemoryContainers } from './memory-containers.js';
import { type MemoryHost, MemoryHostToken } from './memory-host.js';
import { containersIn } from './memory-lookup.js';
import type { SimulatedSandbox } from './pod/simulated-sandbox.js';

/** Stops and removes sandboxes of a simulated machine. */
@injectable()
export class MemorySandboxes {
  constructor(
    @inject(MemoryHostToken) private readonly host: MemoryHost,
    @inject(MemoryContainers) private readonly containers: MemoryContainers,
  ) {}

  async stop(id: string, options?: CallOptions): Promise<void> {
    await this.host.locks.run(
      id,
      async () => {
        const sandbox = this.host.sandboxes.get(id);
        if (sandbox) await this.stopLocked(sandbox);
      },
      options?.signal,
    );
  }

  async remove(id: string, options?: CallOptions): Promise<void> {
    await this.host.locks.run(
      id,
      async () => {
        const sandbox = this.host.sandboxes.get(id);
        if (!sandbox) return;
        await this.stopLocked(sandbox);
        for (const container of containersIn(this.host, id)) await this.containers.remove(container.id);
        this.host.sandboxes.delete(id);
        this.host.emitSandbox(sandbox, 'sandbox-removed');
      },
      options?.signal,
    );
  }

  private async stopLocked(sandbox: SimulatedSandbox): Promise<void> {
    if (!sandbox.ready) return;
    await Promise.all(containersIn(this.host, sandbox.id).map((container) => container.stop(0)));
    sandbox.stop();
    this.host.emitSandbox(sandbox, 'sandbox-stopped');
  }
}
