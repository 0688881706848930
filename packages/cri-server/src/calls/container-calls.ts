import { type ContainerConfig, Logger, PodwrightError, RuntimeService } from '@podwright/core';
import type { cri, RpcContext } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { matchesId, toContainerFilter } from '../mapping/filters.js';
import { inBatches } from '../mapping/in-batches.js';
import { invalid, unsupported } from '../mapping/refusals.js';
import { isContainerOf } from '../mapping/same-request.js';
import { toContainerConfig } from '../mapping/to-container-config.js';
import { toCriContainer } from '../mapping/to-cri-container.js';
import { asksForOomGroup, toResourcesChange } from '../mapping/to-resources.js';
import { ContainerStatuses } from './container-statuses.js';
import { IdFinder } from './id-finder.js';
import { SharedCreations } from './shared-creations.js';

/** The calls about containers, but for those that enter one. */
@injectable()
export class ContainerCalls {
  private readonly creations: SharedCreations;
  private readonly starts = new Set<Promise<void>>();
  private hasToldOomGroup = false;

  constructor(
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(IdFinder) private readonly ids: IdFinder,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(Logger) private readonly logger: Logger,
  ) {
    this.creations = new SharedCreations(logger);
  }

  async create(
    { podSandboxId, config: asked, sandboxConfig }: cri.CreateContainerRequest,
    { signal }: RpcContext,
  ) {
    const sandbox = await this.ids.sandbox(podSandboxId, { signal });
    const config = toContainerConfig(asked, {
      logDirectory: sandboxConfig?.logDirectory ?? '',
      sandboxPid: sandbox.pid,
    });
    const { name, attempt } = config.metadata;
    const { pidTarget } = config;
    const target = pidTarget === undefined ? undefined : await this.ids.container(pidTarget, { signal });
    const whole = target === undefined ? config : { ...config, pidTarget: target.id };
    const containerId = await this.creations.run(
      JSON.stringify([sandbox.id, name, attempt]),
      {
        make: (all) => this.make(sandbox.id, whole, all),
        undo: (id) => this.runtime.removeContainer(id),
      },
      signal,
    );
    this.logger.info(`Container ${containerId}, ${name} of sandbox ${sandbox.id}, is made`);
    if (asksForOomGroup(asked?.linux?.resources)) this.tellOomGroup();
    return { containerId };
  }

  /** Once: newer kubelets ask for it with every container. */
  private tellOomGroup(): void {
    if (this.hasToldOomGroup) return;
    this.hasToldOomGroup = true;
    this.logger.warn(
      'memory.oom.group is not enforced: of a container without memory the kernel ends the process that it picks. ' +
        'The setting singleProcessOOMKill of the kubelet says whether it asks for this. This is told once.',
    );
  }

  /**
   * Goes on when its client has gone: what was seen running in a list is not to end because of a call before. The
   * backend sets a limit to it.
   */
  async start({ containerId }: cri.StartContainerRequest, { signal }: RpcContext) {
    const { id, metadata } = await this.ids.container(containerId, { signal });
    const start = this.runtime.startContainer(id);
    this.starts.add(start);
    try {
      await start;
    } finally {
      this.starts.delete(start);
    }
    this.logger.info(`Container ${id}, ${metadata.name}, is started`);
    return {};
  }

  async stop({ containerId, timeout }: cri.StopContainerRequest, { signal }: RpcContext) {
    if (timeout < 0n) {
      throw invalid(
        `The timeout of the stop of container ${containerId} is ${timeout}: it cannot be negative.`,
      );
    }
    const id = await this.ids.containerIfThere(containerId, { signal });
    if (id === undefined) return {};
    await this.runtime.stopContainer(id, { graceMs: Number(timeout) * 1000, signal });
    this.logger.info(`Container ${id} is stopped`);
    return {};
  }

  async remove({ containerId }: cri.RemoveContainerRequest, { signal }: RpcContext) {
    const id = await this.ids.containerIfThere(containerId, { signal });
    if (id === undefined) return {};
    await this.runtime.removeContainer(id, { signal });
    this.logger.info(`Container ${id} is removed`);
    return {};
  }

  async list({ filter }: cri.ListContainersRequest, { signal }: RpcContext) {
    return { containers: await this.items(filter, signal) };
  }

  async *stream({ filter }: cri.StreamContainersRequest, { signal }: RpcContext) {
    for (const containers of inBatches(await this.items(filter, signal))) yield { containers };
  }

  async status({ containerId, verbose }: cri.ContainerStatusRequest, { signal }: RpcContext) {
    const status = await this.ids.container(containerId, { signal });
    const { sandboxId, processId: pid, ...rest } = status;
    return {
      status: await this.statuses.toCri(status, { signal }),
      // The names that crictl's users know from containerd and CRI-O.
      ...(verbose ? { info: { info: JSON.stringify({ sandboxID: sandboxId, pid, ...rest }) } } : {}),
    };
  }

  /** `annotations` are for plugins of a runtime, of which there are none here; those of the container stay. */
  async updateResources(
    { containerId, linux, windows }: cri.UpdateContainerResourcesRequest,
    { signal }: RpcContext,
  ) {
    if (windows !== undefined) {
      throw unsupported(
        'UpdateContainerResourcesRequest.windows',
        `Windows limits of container ${containerId} are not supported: this is Linux.`,
      );
    }
    const { id, resources, metadata } = await this.ids.container(containerId, { signal });
    const change = toResourcesChange(linux, resources, `container ${metadata.name}`);
    if (Object.keys(change).length > 0) {
      await this.runtime.updateContainerResources(id, change, { signal });
    }
    return {};
  }

  async reopenLog({ containerId }: cri.ReopenContainerLogRequest, { signal }: RpcContext) {
    const { id } = await this.ids.container(containerId, { signal });
    await this.runtime.reopenContainerLog(id, { signal });
    return {};
  }

  /** Resolves when no container is half-made or half-started. */
  async settled(): Promise<void> {
    await this.creations.settled();
    await Promise.allSettled(this.starts);
  }

  /** Answers with the container that is there already when it may be this request's own, whose answer was lost. */
  private async make(sandboxId: string, config: ContainerConfig, signal: AbortSignal): Promise<string> {
    try {
      return await this.runtime.createContainer(sandboxId, config, { signal });
    } catch (error) {
      if (!PodwrightError.is(error, 'already-exists')) throw error;
      // Who has started it knows its id.
      const created = await this.runtime.listContainers({ sandboxId, state: 'created' }, { signal });
      const made = created.find((status) => isContainerOf(status, config));
      if (made === undefined) throw error;
      return made.id;
    }
  }

  private async items(filter: cri.ContainerFilter | undefined, signal: AbortSignal) {
    const found = await this.runtime.listContainers(toContainerFilter(filter), { signal });
    const state = filter?.state?.state;
    return found
      .filter(({ id, sandboxId }) => matchesId(id, filter?.id) && matchesId(sandboxId, filter?.podSandboxId))
      .map(toCriContainer)
      .filter((container) => state === undefined || container.state === state);
  }
}
