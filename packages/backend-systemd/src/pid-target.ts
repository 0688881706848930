import { readFile, readlink } from 'node:fs/promises';
import { PodwrightError } from '@podwright/core';
import { HostExecutor, pinProcess, readProcessIdentity } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { containerUnitName, HostLayout } from './host-layout.js';

/** A PID namespace that a container joins. */
export interface TargetNamespace {
  /** Below /proc, of the target's first process. */
  readonly path: string;
  /** As the link of it reads, `pid:[4026532…]`: what the launch script compares, for the PID may be another's by then. */
  readonly link: string;
}

/** Finds the PID namespaces of running containers. */
@injectable()
export class PidTargets {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
  ) {}

  /**
   * @param id of the target
   * @param sandboxId of the container that joins it
   * @throws PodwrightError kind `not-found`, `invalid-argument` (of another sandbox), `failed-precondition` (not running)
   */
  async find(id: string, sandboxId: string): Promise<TargetNamespace> {
    const record = this.store.require(id);
    const { name } = record.config.metadata;
    if (record.sandboxId !== sandboxId) {
      throw new PodwrightError(
        'invalid-argument',
        `The processes of container "${name}" cannot be joined: it is in another sandbox, ${record.sandboxId}.`,
        { details: { id, sandboxId } },
      );
    }
    const { state } = await this.statuses.of(record);
    const pid = state === 'running' ? await this.pidOf(id) : undefined;
    const identity = pid === undefined ? undefined : await readProcessIdentity(this.host, pid);
    if (!identity) {
      throw new PodwrightError(
        'failed-precondition',
        `The processes of container "${name}" cannot be joined: it does not run, it is ${state}.`,
        { details: { id, state } },
      );
    }
    await using process = await pinProcess(this.host, identity, { unit: containerUnitName(id) });
    return {
      path: `/proc/${identity.pid}/ns/pid`,
      link: await readlink(this.host.hostPath(`${process.procPath}/ns/pid`)),
    };
  }

  private async pidOf(id: string): Promise<number | undefined> {
    const path = this.host.hostPath(this.layout.container(id).pidFile);
    const pid = Number(await readFile(path, 'utf8').catch(() => ''));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  }
}
