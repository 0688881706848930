import { KeyedMutex, Logger, type RuntimeAccess } from '@podwright/core';
import { SandboxManager } from '@podwright/sandbox';
import { inject, injectable, type ServiceIdentifier } from 'inversify';
import { ContainerStore } from './container-store.js';

/** Whether this process is the one that changes sandboxes and containers. */
export const StateAccess: ServiceIdentifier<RuntimeAccess> = Symbol.for(
  'podwright.backend-systemd.StateAccess',
);

const KEY = 'state';

/**
 * Reads the records of sandboxes and containers. Whoever changes them reads them once and removes what is half-made;
 * whoever observes reads them anew for each question, and removes nothing: another process may be making it.
 */
@injectable()
export class StateLoader {
  private readonly mutex = new KeyedMutex();
  private readonly told = new Set<string>();

  constructor(
    @inject(StateAccess) readonly access: RuntimeAccess,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(ContainerStore) private readonly containers: ContainerStore,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async load(): Promise<void> {
    await this.mutex.run(KEY, () => this.read());
  }

  /** To be called before records are looked at. */
  async refresh(): Promise<void> {
    if (this.access === 'observe') await this.load();
  }

  private async read(): Promise<void> {
    const options = { observe: this.access === 'observe' };
    const { errors } = await this.sandboxes.load(options);
    for (const { message } of [...errors, ...(await this.containers.load(options))]) {
      if (!this.told.has(message)) this.logger.error(message);
      this.told.add(message);
    }
  }
}
