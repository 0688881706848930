import {
  type CallOptions,
  Logger,
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
 * containers; its app containers are started by the backend when this has ended. It works while no agent does: the runtime
 * that it is of observes, and takes no lock.
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
    const containers = await this.service.listContainers({ podUid: uid }, { signal });
    await this.inits.runAll({ record, sandbox, volumePaths, signal }, containers);
    await restorer.release(sandbox.id, { signal });
    return true;
  }
}
