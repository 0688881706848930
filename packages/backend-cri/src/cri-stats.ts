import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  Clock,
  type ContainerFilter,
  type ContainerStats,
  type ContainerStatus,
  type FilesystemUsage,
  Logger,
  type MemoryStats,
  messageOf,
  type NetworkInterfaceStats,
  type PodSandboxFilter,
  type PodSandboxStats,
  type PodSandboxStatus,
  PodwrightError,
  type StatsOptions,
  withoutUndefined,
} from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { inject, injectable } from 'inversify';
import { CriConnection } from './cri-connection.js';
import { CriContainers } from './cri-containers.js';
import { CriMetrics, type RuntimeMetrics } from './cri-metrics.js';
import { toMilliseconds, toNumber } from './cri-numbers.js';
import { CriSandboxes } from './cri-sandboxes.js';
import { HostFacilities } from './host-facilities.js';
import type { MetricValues } from './metric-values.js';
import { textIfThere } from './text-if-there.js';
import { toStatsDetail, withPackets } from './to-stats-detail.js';

/** What containers and pods use, as the runtime counts it; processes are counted by their control group on the host. */
@injectable()
export class CriStats {
  constructor(
    @inject(CriConnection) private readonly connection: CriConnection,
    @inject(CriContainers) private readonly containers: CriContainers,
    @inject(CriSandboxes) private readonly sandboxes: CriSandboxes,
    @inject(CriMetrics) private readonly metrics: CriMetrics,
    @inject(HostFacilities) private readonly facilities: HostFacilities,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** @throws PodwrightError kind `unsupported` with `detail`, of a runtime without metrics */
  async ofContainers(filter: ContainerFilter, options: StatsOptions): Promise<readonly ContainerStats[]> {
    return await this.readContainers(filter, options, await this.readMetrics(options));
  }

  /** @throws as `ofContainers` */
  async ofSandboxes(filter: PodSandboxFilter, options: StatsOptions): Promise<readonly PodSandboxStats[]> {
    if (filter.state === 'not-ready') return [];
    const statuses = await this.sandboxes.list({ ...filter, state: 'ready' }, options);
    if (statuses.length === 0) return [];
    const metrics = await this.readMetrics(options);
    const containers = await this.readContainers({}, options, metrics);
    return await Promise.all(
      statuses.map(async (status) => {
        const own = containers.filter(({ sandboxId }) => sandboxId === status.id);
        const linux = await this.ofPod(status.id, options);
        const stats = toSandboxStats(status, linux, own, this.clock.nowMs());
        const values = metrics?.pods.get(status.id);
        return values === undefined
          ? stats
          : {
              ...stats,
              network: withPackets(stats.network, values),
              ...(await this.detailOf(values, status.createdAtMs)),
            };
      }),
    );
  }

  private async readMetrics({
    detail = false,
    ...options
  }: StatsOptions): Promise<RuntimeMetrics | undefined> {
    return detail ? await this.metrics.read(options) : undefined;
  }

  private async readContainers(
    filter: ContainerFilter,
    options: CallOptions,
    metrics: RuntimeMetrics | undefined,
  ): Promise<readonly ContainerStats[]> {
    if (filter.state !== undefined && filter.state !== 'running') return [];
    const statuses = await this.containers.list({ ...filter, state: 'running' }, options);
    if (statuses.length === 0) return [];
    const { stats } = await this.connection.call(
      'What containers use cannot be asked',
      ({ runtime }, call) => runtime.listContainerStats({}, call),
      options,
    );
    const byId = new Map(stats.map((each) => [each.attributes?.id, each]));
    const all = await Promise.all(
      statuses.map(async (status) => {
        const told = byId.get(status.id);
        if (told === undefined) return undefined;
        const pids = await processCount(status.processId);
        return {
          ...toContainerStats(status, told, pids, this.clock.nowMs()),
          ...(await this.detailOf(metrics?.containers.get(status.id), status.attempts.at(-1)?.startedAtMs)),
        };
      }),
    );
    return all.filter((each) => each !== undefined);
  }

  /** A runtime has metrics of what it is configured for, and may have none of something that has just begun. */
  private async detailOf(
    values: MetricValues | undefined,
    startedAtMs: number | undefined,
  ): Promise<Pick<ContainerStats, 'detail'>> {
    if (values === undefined || values.isEmpty) return {};
    return { detail: toStatsDetail(values, startedAtMs, await this.facilities.unified()) };
  }

  /** One by one: for a list of all, runtimes fail with the first of which they know nothing. */
  private async ofPod(id: string, options: CallOptions): Promise<cri.LinuxPodSandboxStats | undefined> {
    try {
      const { stats } = await this.connection.call(
        `What pod ${id} uses cannot be asked`,
        ({ runtime }, call) => runtime.podSandboxStats({ podSandboxId: id }, call),
        options,
      );
      return stats?.linux;
    } catch (error) {
      if (PodwrightError.is(error, 'closed') || PodwrightError.is(error, 'cancelled')) throw error;
      if (PodwrightError.is(error, 'unavailable')) throw error;
      // What its containers use is known.
      this.logger.debug(messageOf(error));
      return undefined;
    }
  }
}

export function toContainerStats(
  { id, sandboxId, podUid, metadata, resources }: ContainerStatus,
  { cpu, memory, swap, writableLayer }: cri.ContainerStats,
  pids: number,
  nowMs: number,
): ContainerStats {
  return {
    id,
    sandboxId,
    podUid,
    name: metadata.name,
    timestampMs: toMilliseconds(cpu?.timestamp ?? 0n) ?? nowMs,
    cpu: { usageNanoseconds: toNumber(cpu?.usageCoreNanoSeconds) ?? 0 },
    memory: toMemory(memory, resources.memoryLimitBytes, swap),
    pids,
    writableLayer: toUsage(writableLayer),
  };
}

export function toSandboxStats(
  { id, metadata, network }: PodSandboxStatus,
  linux: cri.LinuxPodSandboxStats | undefined,
  containers: readonly ContainerStats[],
  nowMs: number,
): PodSandboxStats {
  const sum = (pick: (stats: ContainerStats) => number) =>
    containers.reduce((all, stats) => all + pick(stats), 0);
  // Without numbers of the pod's own, those of its containers: what the pod takes beside them is its first process.
  const cpu = toNumber(linux?.cpu?.usageCoreNanoSeconds) ?? sum((stats) => stats.cpu.usageNanoseconds);
  const memory: MemoryStats = linux?.memory
    ? toMemory(linux.memory, undefined)
    : {
        workingSetBytes: sum((stats) => stats.memory.workingSetBytes),
        usageBytes: sum((stats) => stats.memory.usageBytes),
      };
  const available = toNumber(linux?.memory?.availableBytes);
  return {
    id,
    metadata,
    timestampMs: toMilliseconds(linux?.cpu?.timestamp ?? 0n) ?? nowMs,
    cpu: { usageNanoseconds: cpu },
    memory: { ...memory, ...(available ? { availableBytes: available } : {}) },
    pids: sum((stats) => stats.pids),
    network: network === 'node' ? [] : toInterfaces(linux?.network),
    containers,
  };
}

function toMemory(
  memory: cri.MemoryUsage | undefined,
  limitBytes: number | undefined,
  swap?: cri.SwapUsage,
): MemoryStats {
  const workingSetBytes = toNumber(memory?.workingSetBytes) ?? 0;
  const told = {
    rssBytes: toNumber(memory?.rssBytes),
    pageFaults: toNumber(memory?.pageFaults),
    majorPageFaults: toNumber(memory?.majorPageFaults),
    swapUsageBytes: toNumber(swap?.swapUsageBytes),
    swapAvailableBytes: toNumber(swap?.swapAvailableBytes),
  };
  return {
    workingSetBytes,
    usageBytes: Math.max(toNumber(memory?.usageBytes) ?? 0, workingSetBytes),
    ...(limitBytes === undefined ? {} : { availableBytes: Math.max(0, limitBytes - workingSetBytes) }),
    ...withoutUndefined(told),
  };
}

function toUsage(usage: cri.FilesystemUsage | undefined): FilesystemUsage {
  return {
    mountpoint: usage?.fsId?.mountpoint || '/',
    usedBytes: toNumber(usage?.usedBytes) ?? 0,
    inodesUsed: toNumber(usage?.inodesUsed) ?? 0,
  };
}

function toInterfaces(network: cri.NetworkUsage | undefined): readonly NetworkInterfaceStats[] {
  const first = network?.defaultInterface;
  const others = (network?.interfaces ?? []).filter(({ name }) => name !== first?.name);
  return [...(first ? [first] : []), ...others]
    .filter(({ name }) => name !== 'lo')
    .map(({ name, rxBytes, rxErrors, txBytes, txErrors }) => ({
      name,
      rxBytes: toNumber(rxBytes) ?? 0,
      rxErrors: toNumber(rxErrors) ?? 0,
      txBytes: toNumber(txBytes) ?? 0,
      txErrors: toNumber(txErrors) ?? 0,
    }));
}

/**
 * By the control group of the first process, without what watches the container there: that is in another PID namespace.
 * 0 when it is gone, or on another host.
 */
async function processCount(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0;
  const cgroups = await textIfThere(`/proc/${pid}/cgroup`);
  for (const line of cgroups.trim().split('\n')) {
    const folder = pidsFolder(line);
    const count =
      folder === undefined ? 0 : Number.parseInt(await textIfThere(join(folder, 'pids.current')), 10);
    if (folder === undefined || !(count > 0)) continue;
    const own = await readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
    const members = (await textIfThere(join(folder, 'cgroup.procs'))).trim().split('\n');
    const namespaces = await Promise.all(
      members.map((each) => readlink(`/proc/${each}/ns/pid`).catch(() => own)),
    );
    return count - namespaces.filter((namespace) => namespace !== own).length;
  }
  return 0;
}

/** Where processes are counted, of a line of /proc/PID/cgroup. */
function pidsFolder(line: string): string | undefined {
  const [, controllers = '', path = ''] = line.split(':');
  if (controllers === '') return join('/sys/fs/cgroup', path);
  return controllers.split(',').includes('pids') ? join('/sys/fs/cgroup/pids', path) : undefined;
}
