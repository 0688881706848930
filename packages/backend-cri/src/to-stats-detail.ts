import {
  type DeviceIoStats,
  type FilesystemDetail,
  type HugepageStats,
  type NetworkInterfaceStats,
  type PressureDetail,
  type ProcessDetail,
  type StallTimes,
  type StatsDetail,
  type ThreadStates,
  withoutUndefined,
} from '@podwright/core';
import type { MetricValues } from './metric-values.js';

const NANOSECONDS = 1_000_000_000;
const MICROSECONDS = 1_000_000;

/**
 * What a runtime's metrics tell, by the names that cAdvisor has for them. Times are in whole seconds there.
 * @param startedAtMs from the status, which is finer
 * @param unified whether the host's cgroups are of version 2, where a limit of swap is one of swap alone
 */
export function toStatsDetail(
  of: MetricValues,
  startedAtMs: number | undefined,
  unified: boolean,
): StatsDetail {
  const devices = toDevices(of);
  const hugepages = toHugepages(of);
  const pressure = toPressure(of);
  const swap = of.one('container_spec_memory_swap_limit_bytes');
  return {
    ...withoutUndefined({ startedAtMs }),
    cpu: withoutUndefined({
      userNanoseconds: scaled(of.one('container_cpu_user_seconds_total'), NANOSECONDS),
      systemNanoseconds: scaled(of.one('container_cpu_system_seconds_total'), NANOSECONDS),
      periods: of.one('container_cpu_cfs_periods_total'),
      throttledPeriods: of.one('container_cpu_cfs_throttled_periods_total'),
      throttledNanoseconds: scaled(of.one('container_cpu_cfs_throttled_seconds_total'), NANOSECONDS),
    }),
    memory: withoutUndefined({
      cacheBytes: of.one('container_memory_cache'),
      kernelBytes: of.some('container_memory_kernel_usage'),
      mappedFileBytes: of.one('container_memory_mapped_file'),
      maxUsageBytes: of.some('container_memory_max_usage_bytes'),
      limitHits: of.one('container_memory_failcnt'),
      oomKills: of.one('container_oom_events_total'),
    }),
    ...(devices.length === 0 ? {} : { devices }),
    ...(hugepages.length === 0 ? {} : { hugepages }),
    ...(Object.keys(pressure).length === 0 ? {} : { pressure }),
    limits: withoutUndefined({
      cpuPeriodMicroseconds: of.some('container_spec_cpu_period'),
      cpuQuotaMicroseconds: of.some('container_spec_cpu_quota'),
      cpuShares: of.some('container_spec_cpu_shares'),
      memoryBytes: of.some('container_spec_memory_limit_bytes'),
      // 0 is none on version 1, and either on version 2.
      memorySwapBytes: unified ? undefined : swap || undefined,
      swapBytes: unified ? swap || undefined : undefined,
      memoryReservationBytes: of.some('container_spec_memory_reservation_limit_bytes'),
      pids: of.some('container_threads_max'),
    }),
    ...withoutUndefined({ processes: toProcesses(of), filesystem: toFilesystem(of) }),
  };
}

/** With the packets of each interface, which the CRI's stats do not have. */
export function withPackets(
  network: readonly NetworkInterfaceStats[],
  of: MetricValues,
): NetworkInterfaceStats[] {
  return network.map((one) => {
    const count = (name: string) => of.one(`container_network_${name}_total`, { interface: one.name });
    return {
      ...one,
      ...withoutUndefined({
        rxPackets: count('receive_packets'),
        rxDropped: count('receive_packets_dropped'),
        txPackets: count('transmit_packets'),
        txDropped: count('transmit_packets_dropped'),
      }),
    };
  });
}

const DEVICE_METRICS = [
  'container_blkio_device_usage_total',
  'container_fs_reads_bytes_total',
  'container_fs_writes_bytes_total',
];

function toDevices(of: MetricValues): DeviceIoStats[] {
  return of.labelled(DEVICE_METRICS, 'device').flatMap((device) => {
    const blkio = of
      .all('container_blkio_device_usage_total')
      .find(({ labels }) => labels['device'] === device);
    const [major, minor] = blkio ? [blkio.labels['major'], blkio.labels['minor']] : device.split(':');
    const count = (name: string) => of.one(`container_fs_${name}_total`, { device });
    const bytes = (operation: string) => of.one('container_blkio_device_usage_total', { device, operation });
    // Without its numbers it cannot be told which one it is.
    if (!/^\d+$/.test(major ?? '') || !/^\d+$/.test(minor ?? '')) return [];
    return [
      {
        ...{ device, major: Number(major), minor: Number(minor) },
        readBytes: count('reads_bytes') ?? bytes('read') ?? 0,
        writtenBytes: count('writes_bytes') ?? bytes('write') ?? 0,
        ...withoutUndefined({ reads: count('reads'), writes: count('writes') }),
      },
    ];
  });
}

function toHugepages(of: MetricValues): HugepageStats[] {
  return of.all('container_hugetlb_usage_bytes').map(({ value: usageBytes, labels }) => {
    const pageSize = labels['pagesize'] ?? '';
    const maxUsageBytes = of.one('container_hugetlb_max_usage_bytes', { pagesize: pageSize }) || undefined;
    return { pageSize, usageBytes, ...withoutUndefined({ maxUsageBytes }) };
  });
}

function toPressure(of: MetricValues): PressureDetail {
  const times = (resource: string): StallTimes | undefined => {
    const total = (kind: string) =>
      scaled(of.one(`container_pressure_${resource}_${kind}_seconds_total`), MICROSECONDS);
    const waitingMicroseconds = total('waiting');
    if (waitingMicroseconds === undefined) return undefined;
    return { waitingMicroseconds, ...withoutUndefined({ stalledMicroseconds: total('stalled') }) };
  };
  return withoutUndefined({ cpu: times('cpu'), memory: times('memory'), io: times('io') });
}

function toProcesses(of: MetricValues): ProcessDetail | undefined {
  const processes = of.one('container_processes');
  const fileDescriptors = of.one('container_file_descriptors');
  const sockets = of.one('container_sockets');
  if (processes === undefined || fileDescriptors === undefined || sockets === undefined) return undefined;
  const softLimits = of
    .all('container_ulimits_soft')
    .flatMap(({ value, labels: { ulimit } }) => (ulimit === undefined ? [] : [[ulimit, value] as const]));
  return {
    ...{ processes, fileDescriptors, sockets, softLimits: Object.fromEntries(softLimits) },
    ...withoutUndefined({ threadStates: toThreadStates(of) }),
  };
}

function toThreadStates(of: MetricValues): ThreadStates | undefined {
  if (of.all('container_tasks_state').length === 0) return undefined;
  const count = (state: string) => of.one('container_tasks_state', { state }) ?? 0;
  return {
    ...{ running: count('running'), sleeping: count('sleeping') },
    ...{ uninterruptible: count('uninterruptible'), stopped: count('stopped') },
  };
}

function toFilesystem(of: MetricValues): FilesystemDetail | undefined {
  const [capacity] = of.all('container_fs_limit_bytes');
  const inodes = of.one('container_fs_inodes_total');
  const inodesFree = of.one('container_fs_inodes_free');
  if (capacity === undefined || inodes === undefined || inodesFree === undefined) return undefined;
  return { device: capacity.labels['device'] ?? '', capacityBytes: capacity.value, inodes, inodesFree };
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}
