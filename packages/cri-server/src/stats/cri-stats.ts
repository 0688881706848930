import {
  type CallOptions,
  type ContainerFilter,
  type ContainerStatus,
  type PodSandboxFilter,
  type PodSandboxStats,
  PodwrightError,
  RuntimeService,
  type StatsOptions,
} from '@podwright/core';
import type { cri, RpcContext, RpcHandlers } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { IdFinder } from '../calls/id-finder.js';
import { matchesId, toContainerFilter } from '../mapping/filters.js';
import { inBatches } from '../mapping/in-batches.js';
import { CpuRates } from './cpu-rates.js';
import { METRIC_DESCRIPTORS, toPodMetrics } from './pod-metrics.js';
import {
  type CriContainerStats,
  type CriSandboxStats,
  toCriContainerStats,
  toCriSandboxStats,
} from './to-cri-stats.js';

type StatsHandlers = Pick<
  RpcHandlers<typeof cri.RuntimeService>,
  | 'containerStats'
  | 'listContainerStats'
  | 'streamContainerStats'
  | 'podSandboxStats'
  | 'listPodSandboxStats'
  | 'streamPodSandboxStats'
  | 'listMetricDescriptors'
  | 'listPodSandboxMetrics'
  | 'streamPodSandboxMetrics'
>;

/**
 * The CRI's calls for what containers and pods use. Every container is listed; what it uses is told while it runs.
 * Sandboxes are listed while they are ready.
 */
@injectable()
export class CriStats implements StatsHandlers {
  readonly #rates = new CpuRates();

  constructor(
    @inject(RuntimeService) private readonly runtime: RuntimeService,
    @inject(IdFinder) private readonly ids: IdFinder,
  ) {}

  /** @throws PodwrightError kind `not-found`, `unsupported` */
  async containerStats({ containerId }: cri.ContainerStatsRequest, { signal }: RpcContext) {
    const status = await this.ids.container(containerId, { signal });
    const [stats] = await this.#containers([status], { id: status.id }, { signal });
    return stats === undefined ? {} : { stats };
  }

  async listContainerStats({ filter }: cri.ListContainerStatsRequest, { signal }: RpcContext) {
    return { stats: await this.#listContainers(filter, { signal }) };
  }

  async *streamContainerStats({ filter }: cri.StreamContainerStatsRequest, { signal }: RpcContext) {
    const stats = await this.#listContainers(filter, { signal });
    for (const containerStats of inBatches(stats)) yield { containerStats };
  }

  /** @throws PodwrightError kind `not-found`, `failed-precondition` (not ready), `unsupported` */
  async podSandboxStats({ podSandboxId }: cri.PodSandboxStatsRequest, { signal }: RpcContext) {
    const { id } = await this.ids.sandbox(podSandboxId, { signal });
    const [stats] = await this.#sandboxes({ id }, { signal });
    if (stats !== undefined) return { stats };
    throw new PodwrightError(
      'failed-precondition',
      `There are no stats of the sandbox ${id}: it is not ready.`,
      { details: { sandboxId: id } },
    );
  }

  async listPodSandboxStats({ filter }: cri.ListPodSandboxStatsRequest, { signal }: RpcContext) {
    return { stats: await this.#listSandboxes(filter, { signal }) };
  }

  async *streamPodSandboxStats({ filter }: cri.StreamPodSandboxStatsRequest, { signal }: RpcContext) {
    const stats = await this.#listSandboxes(filter, { signal });
    for (const podSandboxStats of inBatches(stats)) yield { podSandboxStats };
  }

  async listMetricDescriptors() {
    return { descriptors: [...METRIC_DESCRIPTORS] };
  }

  async listPodSandboxMetrics(_request: cri.ListPodSandboxMetricsRequest, { signal }: RpcContext) {
    return { podMetrics: await this.#metrics({ signal }) };
  }

  async *streamPodSandboxMetrics(_request: cri.StreamPodSandboxMetricsRequest, { signal }: RpcContext) {
    for (const podSandboxMetrics of inBatches(await this.#metrics({ signal }))) yield { podSandboxMetrics };
  }

  async #listContainers(
    filter: cri.ContainerStatsFilter | undefined,
    options: CallOptions,
  ): Promise<CriContainerStats[]> {
    const byLabels = toContainerFilter(filter);
    const statuses = (await this.runtime.listContainers(byLabels, options)).filter(
      ({ id, sandboxId }) => matchesId(id, filter?.id) && matchesId(sandboxId, filter?.podSandboxId),
    );
    const [only, another] = statuses;
    if (only === undefined) return [];
    return await this.#containers(statuses, another === undefined ? { id: only.id } : byLabels, options);
  }

  async #containers(
    statuses: readonly ContainerStatus[],
    filter: ContainerFilter,
    options: CallOptions,
  ): Promise<CriContainerStats[]> {
    const stats = await this.runtime.listContainerStats(filter, options);
    const statsOf = new Map(stats.map((one) => [one.id, one]));
    return statuses.map((status) => toCriContainerStats(status, statsOf.get(status.id), this.#rates));
  }

  async #listSandboxes(
    filter: cri.PodSandboxStatsFilter | undefined,
    options: CallOptions,
  ): Promise<CriSandboxStats[]> {
    const asked = filter?.id ?? '';
    const id = asked === '' ? undefined : await this.ids.sandboxIfThere(asked, options);
    if (asked !== '' && id === undefined) return [];
    const { labels } = toContainerFilter(filter);
    return await this.#sandboxes(
      { ...(id === undefined ? {} : { id }), ...(labels === undefined ? {} : { labels }) },
      options,
    );
  }

  async #sandboxes(filter: PodSandboxFilter, options: CallOptions): Promise<CriSandboxStats[]> {
    const statuses = await this.runtime.listPodSandboxes({ ...filter, state: 'ready' }, options);
    const found = await this.#usage(filter, options);
    return statuses.flatMap((status) => {
      const usage = found.get(status.id);
      return usage === undefined
        ? []
        : [toCriSandboxStats(status, usage.stats, usage.containers, this.#rates)];
    });
  }

  /** A backend that has no detail has fewer metrics. */
  async #metrics(options: CallOptions) {
    const found = await this.#usage({}, { ...options, detail: true }).catch((error: unknown) => {
      if (PodwrightError.is(error, 'unsupported')) return this.#usage({}, options);
      throw error;
    });
    return [...found.values()].map(({ stats, containers }) => toPodMetrics(stats, containers));
  }

  /** The stats of sandboxes and their containers, by the sandbox's id. */
  async #usage(
    filter: PodSandboxFilter,
    { detail = false, ...options }: StatsOptions,
  ): Promise<
    ReadonlyMap<string, { readonly stats: PodSandboxStats; readonly containers: readonly ContainerStatus[] }>
  > {
    const [sandboxes, statuses] = await Promise.all([
      this.runtime.listPodSandboxStats(filter, { ...options, detail }),
      this.runtime.listContainers(filter.id === undefined ? {} : { sandboxId: filter.id }, options),
    ]);
    const containersOf = new Map<string, ContainerStatus[]>();
    for (const status of statuses)
      containersOf.set(status.sandboxId, [...(containersOf.get(status.sandboxId) ?? []), status]);
    return new Map(
      sandboxes.map((stats) => [stats.id, { stats, containers: containersOf.get(stats.id) ?? [] }]),
    );
  }
}
