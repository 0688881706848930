import type { ContainerStats, DeviceIoStats, MemoryDetail, StatsDetail } from '@podwright/core';
import { COUNTER, GAUGE, type MetricRule, single, type Values } from './metric-rule.js';

/** What a container and a pod as a whole have in common. */
export type Usage = Pick<ContainerStats, 'cpu' | 'memory' | 'pids' | 'timestampMs' | 'detail'>;

const NANOSECONDS = 1e9;
const MICROSECONDS = 1e6;

const seconds = (value: number | undefined, unit: number): Values =>
  single(value === undefined ? undefined : value / unit);

/** For what cAdvisor says 0 of where the kernel does not tell it, or has no limit; none where no memory is counted. */
const orZero = (
  detail: StatsDetail | undefined,
  pick: (detail: StatsDetail) => number | undefined,
): Values => (detail?.memory.cacheBytes === undefined ? [] : single(pick(detail) ?? 0));

const cpu: readonly MetricRule<Usage>[] = [
  {
    name: 'container_cpu_user_seconds_total',
    help: 'Time of processors in the own code of processes, in seconds.',
    type: COUNTER,
    values: ({ detail }) => seconds(detail?.cpu.userNanoseconds, NANOSECONDS),
  },
  {
    name: 'container_cpu_system_seconds_total',
    help: 'Time of processors in the kernel for processes, in seconds.',
    type: COUNTER,
    values: ({ detail }) => seconds(detail?.cpu.systemNanoseconds, NANOSECONDS),
  },
  {
    name: 'container_cpu_usage_seconds_total',
    help: 'Time of processors used, in seconds.',
    type: COUNTER,
    labels: ['cpu'],
    values: ({ cpu }) => [{ value: cpu.usageNanoseconds / NANOSECONDS, labels: ['total'] }],
  },
  ...(
    [
      ['container_cpu_cfs_periods_total', 'Periods of the CPU quota in which something ran.', 'periods', 1],
      [
        'container_cpu_cfs_throttled_periods_total',
        'Periods in which the CPU quota was used up.',
        'throttledPeriods',
        1,
      ],
      [
        'container_cpu_cfs_throttled_seconds_total',
        'Time waited for the next period of the CPU quota, in seconds.',
        'throttledNanoseconds',
        NANOSECONDS,
      ],
    ] as const
  ).map(([name, help, field, unit]) => ({
    ...{ name, help, type: COUNTER },
    // The kernel counts none without a quota, and cAdvisor tells none.
    values: ({ detail }: Usage) =>
      detail?.limits.cpuQuotaMicroseconds === undefined ? [] : seconds(detail.cpu[field], unit),
  })),
];

const memoryDetail = (
  name: string,
  help: string,
  field: keyof MemoryDetail,
  type = GAUGE,
): MetricRule<Usage> => ({ name, help, type, values: ({ detail }) => single(detail?.memory[field]) });

const memory: readonly MetricRule<Usage>[] = [
  memoryDetail('container_memory_cache', 'Page cache, in bytes.', 'cacheBytes'),
  {
    name: 'container_memory_rss',
    help: 'Memory of processes that no file stands behind, in bytes.',
    type: GAUGE,
    values: ({ memory }) => single(memory.rssBytes),
  },
  {
    name: 'container_memory_kernel_usage',
    help: "Memory of the kernel's own for it, in bytes; 0 where the kernel does not tell it.",
    type: GAUGE,
    values: ({ detail }) => orZero(detail, ({ memory }) => memory.kernelBytes),
  },
  memoryDetail(
    'container_memory_mapped_file',
    'Page cache that processes have mapped, in bytes.',
    'mappedFileBytes',
  ),
  {
    name: 'container_memory_swap',
    help: 'Memory that lies in swap space, in bytes.',
    type: GAUGE,
    values: ({ memory: { swapUsageBytes }, detail }) =>
      swapUsageBytes === undefined ? orZero(detail, () => undefined) : single(swapUsageBytes),
  },
  {
    name: 'container_memory_failcnt',
    help: 'How often the limit of memory was reached.',
    type: COUNTER,
    values: ({ detail }) => orZero(detail, ({ memory }) => memory.limitHits),
  },
  {
    name: 'container_memory_usage_bytes',
    help: 'Memory in use, with what could be given back under pressure.',
    type: GAUGE,
    values: ({ memory }) => single(memory.usageBytes),
  },
  {
    name: 'container_memory_max_usage_bytes',
    help: 'The most memory that was in use, in bytes; 0 where the kernel does not tell it.',
    type: GAUGE,
    values: ({ detail }) => orZero(detail, ({ memory }) => memory.maxUsageBytes),
  },
  {
    name: 'container_memory_working_set_bytes',
    help: 'Memory in use that cannot be given back under pressure.',
    type: GAUGE,
    values: ({ memory }) => single(memory.workingSetBytes),
  },
  {
    name: 'container_memory_failures_total',
    help: 'Page faults, and those of them that waited for a disk.',
    type: COUNTER,
    labels: ['failure_type', 'scope'],
    values: pageFaults,
  },
  memoryDetail('container_oom_events_total', 'Processes killed for want of memory.', 'oomKills', COUNTER),
];

/** Where the kernel counts those of cgroups below it too, and those alone, cAdvisor tells them in both scopes. */
function pageFaults({ memory: { pageFaults, majorPageFaults }, detail }: Usage): Values {
  const { ownPageFaults = pageFaults, ownMajorPageFaults = majorPageFaults } = detail?.memory ?? {};
  return (
    [
      ['pgfault', 'container', ownPageFaults],
      ['pgmajfault', 'container', ownMajorPageFaults],
      ['pgfault', 'hierarchy', pageFaults],
      ['pgmajfault', 'hierarchy', majorPageFaults],
    ] as const
  ).flatMap(([type, scope, value]) => (value === undefined ? [] : [{ value, labels: [type, scope] }]));
}

const deviceCount = (
  name: string,
  help: string,
  field: 'readBytes' | 'writtenBytes' | 'reads' | 'writes',
): MetricRule<Usage> => ({
  ...{ name, help, type: COUNTER, labels: ['device'] },
  values: ({ detail }) =>
    (detail?.devices ?? []).flatMap(({ device, [field]: value }) =>
      value === undefined ? [] : [{ value, labels: [device] }],
    ),
});

const devices: readonly MetricRule<Usage>[] = [
  deviceCount('container_fs_reads_bytes_total', 'Bytes read from a block device.', 'readBytes'),
  deviceCount('container_fs_reads_total', 'Reads from a block device.', 'reads'),
  deviceCount('container_fs_writes_bytes_total', 'Bytes written to a block device.', 'writtenBytes'),
  deviceCount('container_fs_writes_total', 'Writes to a block device.', 'writes'),
  {
    name: 'container_blkio_device_usage_total',
    help: 'Bytes read from and written to a block device.',
    type: COUNTER,
    labels: ['device', 'major', 'minor', 'operation'],
    values: ({ detail }) => (detail?.devices ?? []).flatMap(blkio),
  },
];

function blkio({ device, major, minor, readBytes, writtenBytes }: DeviceIoStats): Values {
  const of = [device, String(major), String(minor)];
  return [
    { value: readBytes, labels: [...of, 'Read'] },
    { value: writtenBytes, labels: [...of, 'Write'] },
  ];
}

const hugepages: readonly MetricRule<Usage>[] = [
  {
    name: 'container_hugetlb_usage_bytes',
    help: 'Huge pages in use, in bytes.',
    type: GAUGE,
    labels: ['pagesize'],
    values: ({ detail }) =>
      (detail?.hugepages ?? []).map(({ pageSize, usageBytes }) => ({
        value: usageBytes,
        labels: [pageSize],
      })),
  },
  {
    name: 'container_hugetlb_max_usage_bytes',
    help: 'The most huge pages that were in use, in bytes; 0 where the kernel does not tell it.',
    type: GAUGE,
    labels: ['pagesize'],
    values: ({ detail }) =>
      (detail?.hugepages ?? []).map(({ pageSize, maxUsageBytes = 0 }) => ({
        ...{ value: maxUsageBytes, labels: [pageSize] },
      })),
  },
];

const pressure: readonly MetricRule<Usage>[] = (['cpu', 'memory', 'io'] as const).flatMap((resource) => [
  {
    name: `container_pressure_${resource}_stalled_seconds_total`,
    help: `Time in which all tasks with work waited for ${resource}, in seconds.`,
    type: COUNTER,
    values: ({ detail }: Usage) => seconds(detail?.pressure?.[resource]?.stalledMicroseconds, MICROSECONDS),
  },
  {
    name: `container_pressure_${resource}_waiting_seconds_total`,
    help: `Time in which a task at least waited for ${resource}, in seconds.`,
    type: COUNTER,
    values: ({ detail }: Usage) => seconds(detail?.pressure?.[resource]?.waitingMicroseconds, MICROSECONDS),
  },
]);

const spec: readonly MetricRule<Usage>[] = [
  {
    name: 'container_spec_cpu_period',
    help: 'What the CPU quota is counted over, in microseconds.',
    type: GAUGE,
    values: ({ detail }) => single(detail?.limits.cpuPeriodMicroseconds),
  },
  {
    name: 'container_spec_cpu_quota',
    help: 'CPU quota for each period, in microseconds; none without a limit.',
    type: GAUGE,
    values: ({ detail }) => single(detail?.limits.cpuQuotaMicroseconds),
  },
  {
    name: 'container_spec_cpu_shares',
    help: 'CPU shares; 1024 for a core.',
    type: GAUGE,
    values: ({ detail }) => single(detail?.limits.cpuShares),
  },
  {
    name: 'container_spec_memory_limit_bytes',
    help: 'Limit of memory, in bytes; 0 for none.',
    type: GAUGE,
    values: ({ detail }) => orZero(detail, ({ limits }) => limits.memoryBytes),
  },
  {
    name: 'container_spec_memory_swap_limit_bytes',
    help: 'Limit of memory and swap (cgroup v1), or of swap alone (v2), in bytes; 0 for none.',
    type: GAUGE,
    values: ({ detail }) => orZero(detail, ({ limits }) => limits.memorySwapBytes ?? limits.swapBytes),
  },
  {
    name: 'container_spec_memory_reservation_limit_bytes',
    help: 'Memory that is spared while others can give some back, in bytes; 0 for none.',
    type: GAUGE,
    values: ({ detail }) => orZero(detail, ({ limits }) => limits.memoryReservationBytes),
  },
];

/** Names, labels and units as cAdvisor has them. */
export const USAGE_METRICS: readonly MetricRule<Usage>[] = [
  {
    name: 'container_last_seen',
    help: 'When this was seen, in seconds since the epoch.',
    type: GAUGE,
    values: ({ timestampMs }) => single(timestampMs / 1000),
  },
  {
    name: 'container_start_time_seconds',
    help: 'When this was started, in seconds since the epoch.',
    type: GAUGE,
    values: ({ detail }) => seconds(detail?.startedAtMs, 1000),
  },
  ...cpu,
  ...memory,
  ...devices,
  ...hugepages,
  ...pressure,
  ...spec,
  {
    name: 'container_threads',
    help: 'Threads of all processes.',
    type: GAUGE,
    values: ({ pids }) => single(pids),
  },
  {
    name: 'container_threads_max',
    help: 'Limit of threads of all processes; 0 for none.',
    type: GAUGE,
    values: ({ detail }) => orZero(detail, ({ limits }) => limits.pids),
  },
];
