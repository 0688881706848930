import { readFile } from 'node:fs/promises';
import {
  Clock,
  type ContainerFilter,
  type ContainerStats,
  type PodSandboxFilter,
  type PodSandboxStats,
  type PodSandboxStatus,
  type StatsDetail,
  type StatsOptions,
  systemErrorCode,
  throwIfAborted,
} from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { DiskUsage, SandboxManager } from '@podwright/sandbox';
import { slicePath } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import type { CgroupDetail } from './cgroup-detail.js';
import type { CgroupUsage } from './cgroup-stats.js';
import { CgroupTree } from './cgroup-tree.js';
import type { ContainerRecord } from './container-record.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore } from './container-store.js';
import { type DeviceNames, HostDevices } from './host-devices.js';
import { HostLayout } from './host-layout.js';
import { parseNetworkStats } from './network-stats.js';
import { PodSlices } from './pod-slices.js';
import { PodUnits } from './pod-units.js';
import { ProcessReader } from './process-reader.js';
import { SandboxInterfaces } from './sandbox-interfaces.js';

/** Nothing runs in it, so systemd has made no cgroup of it yet. */
const NO_USAGE: CgroupUsage = {
  cpu: { usageNanoseconds: 0 },
  memory: { workingSetBytes: 0, usageBytes: 0, rssBytes: 0 },
  io: { readBytes: 0, writtenBytes: 0 },
  pids: 0,
};

const NO_DETAIL: CgroupDetail = { cpu: {}, memory: {}, limits: {} };

/** conmon is in its container's unit, and is none of the container's processes. */
const MONITORS = 1;

/**
 * What containers and pods use, read from the files of the kernel: no process is started, except one du(1) for all
 * writable layers together (see `DiskUsage`), and one for each pod with a network and no running container.
 */
@injectable()
export class ContainerStatsReader {
  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(CgroupTree) private readonly cgroups: CgroupTree,
    @inject(ProcessReader) private readonly processes: ProcessReader,
    @inject(HostDevices) private readonly devices: HostDevices,
    @inject(DiskUsage) private readonly disk: DiskUsage,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(SandboxManager) private readonly sandboxes: SandboxManager,
    @inject(PodUnits) private readonly pods: PodUnits,
    @inject(PodSlices) private readonly slices: PodSlices,
    @inject(SandboxInterfaces) private readonly outside: SandboxInterfaces,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /** Of running containers, newest first. @throws PodwrightError kind `missing-requirement`, `cancelled` */
  async ofContainers(
    filter: ContainerFilter = {},
    options: StatsOptions = {},
  ): Promise<readonly ContainerStats[]> {
    return await this.readContainers(filter, options, this.namesFor(options));
  }

  /** Of ready sandboxes, newest first. @throws as `ofContainers` */
  async ofSandboxes(
    filter: PodSandboxFilter = {},
    options: StatsOptions = {},
  ): Promise<readonly PodSandboxStats[]> {
    if (filter.state !== undefined && filter.state !== 'ready') return [];
    const statuses = await this.pods.list({ ...filter, state: 'ready' });
    const only = filter.id ?? (statuses.length === 1 ? statuses[0]?.id : undefined);
    const names = this.namesFor(options);
    const containers = await this.readContainers(
      only === undefined ? {} : { sandboxId: only },
      options,
      names,
    );
    const of = new Map<string, ContainerStats[]>();
    for (const stats of containers) of.set(stats.sandboxId, [...(of.get(stats.sandboxId) ?? []), stats]);
    return await Promise.all(
      statuses.map((status) => this.ofSandbox(status, of.get(status.id) ?? [], options, names)),
    );
  }

  /** Names are looked up for `detail` only. */
  private namesFor({ detail = false }: StatsOptions): DeviceNames | undefined {
    return detail ? this.devices.names() : undefined;
  }

  private async readContainers(
    filter: ContainerFilter,
    options: StatsOptions,
    names: DeviceNames | undefined,
  ): Promise<readonly ContainerStats[]> {
    if (filter.state !== undefined && filter.state !== 'running') return [];
    const statuses = await this.statuses.ofAll(this.store.list(filter));
    const running = statuses.flatMap(({ id, state, attempts }) => {
      const record = this.store.get(id);
      return state === 'running' && record !== undefined ? [{ record, attempts }] : [];
    });
    const layers = await this.disk.of(
      running.map(({ record }) => this.layout.container(record.id).upper),
      options,
    );
    throwIfAborted(options.signal);
    const found: ContainerStats[] = [];
    for (const { record, attempts } of running) {
      const { id, sandboxId, podUid, config } = record;
      const cgroup = await this.readCgroup(this.cgroups.containerPath(record), names);
      // It has ended meanwhile.
      if (cgroup === undefined) continue;
      const mountpoint = this.layout.container(id).upper;
      found.push({
        ...{ id, sandboxId, podUid, name: config.metadata.name, timestampMs: this.clock.nowMs() },
        ...cgroup.usage,
        pids: Math.max(0, cgroup.usage.pids - MONITORS),
        writableLayer: { mountpoint, ...(layers.get(mountpoint) ?? { usedBytes: 0, inodesUsed: 0 }) },
        ...(names === undefined || cgroup.detail === undefined
          ? {}
          : { detail: await this.detailOf(record, cgroup.detail, attempts.at(-1)?.startedAtMs, names) }),
      });
      throwIfAborted(options.signal);
    }
    return found;
  }

  private async readCgroup(
    path: string,
    names: DeviceNames | undefined,
  ): Promise<{ readonly usage: CgroupUsage; readonly detail?: CgroupDetail } | undefined> {
    if (names !== undefined) return await this.cgroups.detailedUsage(path, names);
    const usage = await this.cgroups.usage(path);
    return usage && { usage };
  }

  private async detailOf(
    record: ContainerRecord,
    detail: CgroupDetail,
    startedAtMs: number | undefined,
    names: DeviceNames,
  ): Promise<StatsDetail> {
    const filesystem = await names.filesystem(this.layout.container(record.id).upper);
    const pid = (await this.firstProcess(record))?.pid;
    return {
      ...detail,
      ...(startedAtMs === undefined ? {} : { startedAtMs }),
      ...(filesystem === undefined ? {} : { filesystem }),
      ...(pid === undefined
        ? {}
        : { processes: await this.processes.read(this.cgroups.containerPath(record), pid) }),
    };
  }

  private async ofSandbox(
    { id, metadata, network, createdAtMs }: PodSandboxStatus,
    containers: readonly ContainerStats[],
    options: StatsOptions,
    names: DeviceNames | undefined,
  ): Promise<PodSandboxStats> {
    const slice = this.sandboxes.get(id)?.cgroupParent ?? this.slices.nameOf(metadata.uid);
    const cgroup = await this.readCgroup(slicePath(slice), names);
    const usage = cgroup?.usage ?? NO_USAGE;
    const interfaces = network === 'node' ? undefined : await this.interfaces(id, containers, options);
    const detail = cgroup?.detail ?? NO_DETAIL;
    return {
      ...{ id, metadata, timestampMs: this.clock.nowMs() },
      ...usage,
      pids: Math.max(0, usage.pids - MONITORS * containers.length),
      network: interfaces === undefined ? [] : parseNetworkStats(interfaces),
      containers,
      ...(names === undefined ? {} : { detail: { ...detail, startedAtMs: createdAtMs } }),
    };
  }

  /** As a process in the pod sees them, or one that goes there to look. */
  private async interfaces(
    sandboxId: string,
    containers: readonly ContainerStats[],
    options: StatsOptions,
  ): Promise<string | undefined> {
    for (const { id } of containers) {
      const record = this.store.get(id);
      const text = record && (await this.interfacesOf(record));
      if (text !== undefined) return text;
    }
    return await this.outside.read(sandboxId, options);
  }

  private async interfacesOf(record: ContainerRecord): Promise<string | undefined> {
    return (await this.firstProcess(record))?.interfaces;
  }

  /** Undefined when it has ended. */
  private async firstProcess({
    id,
  }: ContainerRecord): Promise<{ readonly pid: number; readonly interfaces: string } | undefined> {
    try {
      const pid = Number(await readFile(this.host.hostPath(this.layout.container(id).pidFile), 'utf8'));
      const proc = this.host.hostPath(`/proc/${pid}`);
      const interfaces = await readFile(`${proc}/net/dev`, 'utf8');
      // Its number may have become that of a process elsewhere.
      return (await readFile(`${proc}/cgroup`, 'utf8')).includes(id) ? { pid, interfaces } : undefined;
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOENT' || code === 'ESRCH' || code === 'EINVAL') return undefined;
      throw error;
    }
  }
}
