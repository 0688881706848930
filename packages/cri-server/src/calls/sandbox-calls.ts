import { Clock, Logger, type PodSandboxConfig, PodwrightError, RuntimeService } from '@podwright/core';
import type { cri, RpcContext } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { matchesId, toSandboxFilter } from '../mapping/filters.js';
import { inBatches } from '../mapping/in-batches.js';
import { toNanoseconds } from '../mapping/nanoseconds.js';
import { isSandboxOf } from '../mapping/same-request.js';
import { toCriSandbox, toCriSandboxStatus } from '../mapping/to-cri-sandbox.js';
import { toSandboxConfig } from '../mapping/to-sandbox-config.js';
import { ContainerStatuses } from './container-statuses.js';
import { IdFinder } from './id-finder.js';
import { SharedCreations } from './shared-creations.js';

/** The calls about sandboxes. */
@injectable()
export class SandboxCalls {
  private readonly creations: SharedCreations;

  constructor(
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(IdFinder) private readonly ids: IdFinder,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {
    this.creations = new SharedCreations(logger);
  }

  async run({ config: asked, runtimeHandler }: cri.RunPodSandboxRequest, { signal }: RpcContext) {
    const config = toSandboxConfig(asked, runtimeHandler);
    const { namespace, name, uid, attempt } = config.metadata;
    const podSandboxId = await this.creations.run(
      JSON.stringify([namespace, name, uid, attempt]),
      {
        make: (all) => this.make(config, all),
        undo: (id) => this.runtime.removePodSandbox(id),
      },
      signal,
    );
    this.logger.info(`Sandbox ${podSandboxId} of pod ${namespace}/${name} runs`);
    return { podSandboxId };
  }

  async stop({ podSandboxId }: cri.StopPodSandboxRequest, { signal }: RpcContext) {
    const id = await this.ids.sandboxIfThere(podSandboxId, { signal });
    if (id !== undefined) await this.runtime.stopPodSandbox(id, { signal });
    return {};
  }

  async remove({ podSandboxId }: cri.RemovePodSandboxRequest, { signal }: RpcContext) {
    // One that cannot be shown, as its record cannot be read, is removed by its whole id.
    const id = (await this.ids.sandboxIfThere(podSandboxId, { signal })) ?? podSandboxId;
    await this.runtime.removePodSandbox(id, { signal });
    this.logger.info(`Sandbox ${id} is removed`);
    return {};
  }

  async status({ podSandboxId, verbose }: cri.PodSandboxStatusRequest, { signal }: RpcContext) {
    const timestamp = toNanoseconds(this.clock.nowMs());
    const status = await this.ids.sandbox(podSandboxId, { signal });
    const containers = await this.runtime.listContainers({ sandboxId: status.id }, { signal });
    return {
      status: toCriSandboxStatus(status),
      containersStatuses: [...(await this.statuses.allToCri(containers, { signal }))],
      timestamp,
      ...(verbose ? { info: { info: JSON.stringify(status) } } : {}),
    };
  }

  async list({ filter }: cri.ListPodSandboxRequest, { signal }: RpcContext) {
    return { items: await this.items(filter, signal) };
  }

  async *stream({ filter }: cri.StreamPodSandboxesRequest, { signal }: RpcContext) {
    for (const podSandboxes of inBatches(await this.items(filter, signal))) yield { podSandboxes };
  }

  /**
   * Says that the pod's limits were changed: they are those of its cgroup parent, whose owner has changed them already,
   * and nothing of the backend's depends on them.
   */
  async updateResources({ podSandboxId }: cri.UpdatePodSandboxResourcesRequest, { signal }: RpcContext) {
    await this.ids.sandbox(podSandboxId, { signal });
    return {};
  }

  /** Resolves when no sandbox is half-made. */
  settled(): Promise<void> {
    return this.creations.settled();
  }

  /** Answers with the sandbox that is there already when it may be this request's own, whose answer was lost. */
  private async make(config: PodSandboxConfig, signal: AbortSignal): Promise<string> {
    try {
      return await this.runtime.runPodSandbox(config, { signal });
    } catch (error) {
      if (!PodwrightError.is(error, 'already-exists')) throw error;
      const podUid = config.metadata.uid;
      const ready = await this.runtime.listPodSandboxes({ podUid, state: 'ready' }, { signal });
      const made = ready.find((status) => isSandboxOf(status, config));
      if (made === undefined) throw error;
      // Who has put containers in it knows its id.
      const containers = await this.runtime.listContainers({ sandboxId: made.id }, { signal });
      if (containers.length > 0) throw error;
      return made.id;
    }
  }

  private async items(filter: cri.PodSandboxFilter | undefined, signal: AbortSignal) {
    const found = await this.runtime.listPodSandboxes(toSandboxFilter(filter), { signal });
    return found.filter(({ id }) => matchesId(id, filter?.id)).map(toCriSandbox);
  }
}
