import {
  type CallOptions,
  CONTAINER_KIND_ANNOTATION,
  Logger,
  type PodSandboxStatus,
  PodStore,
  PodwrightError,
  RuntimeService,
  SandboxRestorer,
} from '@podwright/core';
import { inject, injectable, optional } from 'inversify';
import { InitContainers } from './init-containers.js';
import { PodPreparer } from './pod-preparer.js';

/**
 * Brings one persisted pod back after a reboot, in the order in which it was started at first: sandbox, volumes, init
 * containers; its app containers are started by the backend when this has ended. At boot it works while no agent does: the
 * runtime that it is of observes, and takes no lock. What did not come to its end there is taken up by the next agent.
 */
@injectable()
export class PodRestorer {
  constructor(
    @inject(RuntimeService) private readonly service: RuntimeService,
    @inject(PodStore) private readonly store: PodStore,
    @inject(PodPreparer) private readonly preparer: PodPreparer,
    @inject(InitContainers) private readonly inits: InitContainers,
    @inject(Logger) private readonly logger: Logger,
    @inject(SandboxRestorer) @optional() private readonly restorer?: SandboxRestorer,
  ) {}

  /**
   * Brings a pod back if that is open, and nothing otherwise. For an agent, which holds the pod's lock.
   * @throws PodwrightError as `restore`
   */
  async resume(uid: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (await this.restorer?.isOpen(uid)) await this.restore(uid, { signal });
  }

  /**
   * @returns false when the pod is not to come back: it was not whole, was killed, or is not known
   * @throws PodwrightError kind `unsupported`, and as `runPod`
   */
  async restore(uid: string, { signal = new AbortController().signal }: CallOptions = {}): Promise<boolean> {
    const { restorer } = this;
    if (restorer === undefined) {
      throw new PodwrightError('unsupported', `The backend ${this.service.type} brings no pods back.`);
    }
    const record = await this.store.get(uid);
    if (record?.persist !== true || record.state !== 'running') {
      this.logger.info('a pod is not brought back', { uid, state: record?.state ?? 'unknown' });
      return false;
    }
    const sandbox = await restorer.restore(uid, { signal });
    if (sandbox === undefined) return false;
    const volumePaths = await this.preparer.setUpVolumes(record, signal);
    await this.endInits(sandbox, signal);
    const containers = await this.service.listContainers({ podUid: uid }, { signal });
    await this.inits.runAll({ record, sandbox, volumePaths, signal }, containers);
    await restorer.release(sandbox.id, { signal });
    return true;
  }

  /** Of a try that was broken off: an init container is not to run beside the one that does its work anew. */
  private async endInits({ id: sandboxId, metadata }: PodSandboxStatus, signal: AbortSignal): Promise<void> {
    const all = await this.service.listContainers({ podUid: metadata.uid }, { signal });
    for (const { id, state, annotations, ...rest } of all) {
      if (rest.sandboxId !== sandboxId || annotations[CONTAINER_KIND_ANNOTATION] !== 'init') continue;
      if (state === 'created') await this.service.removeContainer(id, { signal });
      else if (state !== 'exited') await this.service.stopContainer(id, { signal });
    }
  }
}
