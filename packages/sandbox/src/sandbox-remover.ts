import { Logger, type Orphan } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { InfraProcess } from './infra/infra-process.js';
import { listDirectory } from './list-directory.js';
import { NamespacePinner } from './namespaces/namespace-pinner.js';
import { SandboxNamespacesFactory } from './namespaces/sandbox-namespaces.js';
import { PodNetwork } from './network/pod-network.js';
import type { Sandbox } from './sandbox.js';
import { SandboxOptions } from './sandbox-options.js';
import { sandboxesRunDir } from './sandbox-paths.js';
import type { SandboxRecord } from './sandbox-record.js';
import { SandboxStore } from './sandbox-store.js';

/** Takes sandboxes apart. Every step bears that it was done before. */
@injectable()
export class SandboxRemover {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(SandboxStore) private readonly store: SandboxStore,
    @inject(NamespacePinner) private readonly pinner: NamespacePinner,
    @inject(SandboxNamespacesFactory) private readonly namespaces: SandboxNamespacesFactory,
    @inject(PodNetwork) private readonly network: PodNetwork,
    @inject(InfraProcess) private readonly infra: InfraProcess,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** Takes its networks down, the last one first. @throws the first failure; those not taken down stay in the record */
  async disconnect(record: SandboxRecord, save: (record: SandboxRecord) => Promise<void>): Promise<void> {
    const { network } = record.namespaces;
    const netns = network !== undefined && (await this.pinner.arePinned([network])) ? network : undefined;
    let connected = record.cni;
    try {
      for (const attachment of record.cni.toReversed()) {
        await this.network.detach(attachment, netns);
        connected = connected.filter((other) => other !== attachment);
      }
    } catch (error) {
      await save({ ...record, cni: connected });
      throw error;
    }
    await save({ ...record, cni: connected, networkStopped: true });
  }

  /** Ends its first process, and lets its namespaces and its own /dev/shm go. */
  async letGo({ record, namespaces }: Sandbox): Promise<void> {
    await this.infra.stop(record);
    await namespaces.remove();
  }

  /** Takes down what the notes of its networks and the leases of the default network have of one without a readable record. */
  async disconnectUnread(id: string): Promise<void> {
    for (const { remove } of await this.network.orphans((other) => other !== id)) await remove();
    await this.infra.stop({ id });
  }

  /** Removes what is left of it, the record last. */
  async delete(id: string): Promise<void> {
    await this.namespaces.of(id).remove();
    await this.store.delete(id);
  }

  /** Removes what all sandboxes shared on the host, when there is none left. */
  async releaseShared(): Promise<void> {
    await this.network.release();
    await this.pinner.release(sandboxesRunDir(this.options));
  }

  /**
   * Finds what belongs to no sandbox, in the order in which it has to go: a network while its namespace is there.
   * @param isKnown whether there is, or just now comes to be, a sandbox of this id
   */
  async orphans(isKnown: (id: string) => boolean): Promise<readonly Orphan[]> {
    const networks = await this.network.orphans(isKnown);
    const running = await listDirectory(this.executor.hostPath(sandboxesRunDir(this.options)));
    const stored = (await this.store.directories()).filter(({ hasRecord }) => !hasRecord);
    const ids = [...new Set([...running, ...stored.map(({ id }) => id)])].filter((id) => !isKnown(id));
    const files = ids.map((id) => ({
      what: `namespaces and files of sandbox ${id}`,
      remove: async () => {
        if (isKnown(id)) return;
        await this.delete(id);
        this.logger.info('removed what an unknown sandbox left', { id });
      },
    }));
    return [...networks, ...files];
  }
}
