import type {
  ContainerStats,
  ContainerStatus,
  PodSandboxStats,
  ProcessDetail,
  StatsDetail,
} from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { METRIC_DESCRIPTORS, toPodMetrics } from './pod-metrics.js';

/** What critest of cri-tools (pkg/validate/pod.go) expects of a runtime, with the labels that each has beside the common ones. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  container_blkio_device_usage_total: ['device', 'major', 'minor', 'operation'],
  container_cpu_cfs_periods_total: [],
  container_cpu_cfs_throttled_periods_total: [],
  container_cpu_cfs_throttled_seconds_total: [],
  container_cpu_system_seconds_total: [],
  container_cpu_usage_seconds_total: ['cpu'],
  container_cpu_user_seconds_total: [],
  container_file_descriptors: [],
  container_fs_inodes_free: ['device'],
  container_fs_inodes_total: ['device'],
  container_fs_limit_bytes: ['device'],
  container_fs_reads_bytes_total: ['device'],
  container_fs_reads_total: ['device'],
  container_fs_usage_bytes: ['device'],
  container_fs_writes_bytes_total: ['device'],
  container_fs_writes_total: ['device'],
  container_hugetlb_max_usage_bytes: ['pagesize'],
  container_hugetlb_usage_bytes: ['pagesize'],
  container_last_seen: [],
  container_memory_cache: [],
  container_memory_failcnt: [],
  container_memory_failures_total: ['failure_type', 'scope'],
  container_memory_kernel_usage: [],
  container_memory_mapped_file: [],
  container_memory_max_usage_bytes: [],
  container_memory_rss: [],
  container_memory_swap: [],
  container_memory_usage_bytes: [],
  container_memory_working_set_bytes: [],
  container_network_receive_bytes_total: ['interface'],
  container_network_receive_errors_total: ['interface'],
  container_network_receive_packets_dropped_total: ['interface'],
  container_network_receive_packets_total: ['interface'],
  container_network_transmit_bytes_total: ['interface'],
  container_network_transmit_errors_total: ['interface'],
  container_network_transmit_packets_dropped_total: ['interface'],
  container_network_transmit_packets_total: ['interface'],
  container_oom_events_total: [],
  container_pressure_cpu_stalled_seconds_total: [],
  container_pressure_cpu_waiting_seconds_total: [],
  container_pressure_io_stalled_seconds_total: [],
  container_pressure_io_waiting_seconds_total: [],
  container_pressure_memory_stalled_seconds_total: [],
  container_pressure_memory_waiting_seconds_total: [],
  container_processes: [],
  container_sockets: [],
  container_spec_cpu_period: [],
  container_spec_cpu_quota: [],
  container_spec_cpu_shares: [],
  container_spec_memory_limit_bytes: [],
  container_spec_memory_reservation_limit_bytes: [],
  container_spec_memory_swap_limit_bytes: [],
  container_start_time_seconds: [],
  container_threads: [],
  container_threads_max: [],
  container_ulimits_soft: ['ulimit'],
};

const COMMON = ['id', 'image', 'namespace', 'pod', 'container'];

const PROCESSES: ProcessDetail = {
  ...{ processes: 2, fileDescriptors: 11, sockets: 4, softLimits: { max_open_files: 1024, max_nice: 0 } },
  threadStates: { running: 1, sleeping: 2, uninterruptible: 0, stopped: 0 },
};
const DETAIL: StatsDetail = {
  startedAtMs: 1500,
  cpu: {
    ...{ userNanoseconds: 2.9e9, systemNanoseconds: 1e9 },
    ...{ periods: 40, throttledPeriods: 30, throttledNanoseconds: 2.5e9 },
  },
  memory: {
    ...{
      cacheBytes: 60,
      kernelBytes: 61,
      mappedFileBytes: 62,
      maxUsageBytes: 63,
      limitHits: 64,
      oomKills: 65,
    },
    ...{ ownPageFaults: 7, ownMajorPageFaults: 1 },
  },
  devices: [
    { device: '/dev/sda', major: 8, minor: 0, readBytes: 10, writtenBytes: 20, reads: 1, writes: 2 },
    { device: '7:1', major: 7, minor: 1, readBytes: 30, writtenBytes: 40 },
  ],
  hugepages: [{ pageSize: '2MB', usageBytes: 4096, maxUsageBytes: 8192 }],
  pressure: {
    cpu: { waitingMicroseconds: 2_500_000, stalledMicroseconds: 1_000_000 },
    memory: { waitingMicroseconds: 3_000_000, stalledMicroseconds: 0 },
    io: { waitingMicroseconds: 4_000_000, stalledMicroseconds: 4_000_000 },
  },
  limits: {
    ...{ cpuPeriodMicroseconds: 100_000, cpuQuotaMicroseconds: 20_000, cpuShares: 512 },
    ...{ memoryBytes: 1000, memorySwapBytes: 1200, memoryReservationBytes: 300, pids: 33 },
  },
  processes: PROCESSES,
  filesystem: { device: '/dev/vda', capacityBytes: 50_000, inodes: 500, inodesFree: 400 },
};

const MEMORY = {
  ...{ workingSetBytes: 100, usageBytes: 150, rssBytes: 80, pageFaults: 9, majorPageFaults: 2 },
  swapUsageBytes: 70,
};
const CONTAINER: ContainerStats = {
  ...{ id: 'c', sandboxId: 's', podUid: 'u', name: 'main', timestampMs: 2500 },
  ...{ cpu: { usageNanoseconds: 3.9e9 }, memory: MEMORY, pids: 3, detail: DETAIL },
  writableLayer: { mountpoint: '/upper', usedBytes: 4096, inodesUsed: 2 },
};
const ETH0 = {
  ...{ name: 'eth0', rxBytes: 1, rxErrors: 2, txBytes: 3, txErrors: 4 },
  ...{ rxPackets: 5, rxDropped: 6, txPackets: 7, txDropped: 8 },
};
const { processes: _processes, filesystem: _filesystem, ...POD_DETAIL } = DETAIL;
const SANDBOX: PodSandboxStats = {
  ...{ id: 's', metadata: { name: 'pod', namespace: 'ns', uid: 'u', attempt: 1 }, timestampMs: 2500 },
  ...{ cpu: { usageNanoseconds: 4e9 }, memory: MEMORY, pids: 4, detail: POD_DETAIL },
  network: [{ ...ETH0, name: 'net1' }, ETH0],
  containers: [CONTAINER],
};
const STATUS: ContainerStatus = {
  ...{ id: 'c', sandboxId: 's', podUid: 'u', metadata: { name: 'main', attempt: 3 }, state: 'running' },
  ...{ createdAtMs: 1, image: 'busybox', imageId: 'sha256:1', labels: {}, annotations: {} },
  ...{ mounts: [], resources: {}, attempts: [] },
};

const OF_CONTAINER = ['c', 'busybox', 'ns', 'pod', 'main'];
const OF_POD = ['s', '', 'ns', 'pod', ''];
const OF_NETWORK = ['s', '', 'ns', 'pod', 'POD'];

function metricsOf(stats: PodSandboxStats) {
  const { metrics = [], containerMetrics = [] } = toPodMetrics(stats, [STATUS]);
  return [...metrics, ...containerMetrics.flatMap((one) => one.metrics ?? [])];
}

/** Each value as text, with the labels that are not common to all. */
const valuesOf = (name: string, stats: PodSandboxStats = SANDBOX, of = OF_CONTAINER) =>
  metricsOf(stats)
    .filter((one) => one.name === name && one.labelValues?.slice(0, 5).join() === of.join())
    .map(({ labelValues = [], value }) => [...labelValues.slice(5), String(value?.value)].join(' '));

const withDetail = (change: (detail: StatsDetail) => StatsDetail): PodSandboxStats => ({
  ...SANDBOX,
  containers: [{ ...CONTAINER, detail: change(DETAIL) }],
});

describe('METRIC_DESCRIPTORS', () => {
  it('are all that critest expects, and the states of tasks', () => {
    const described = METRIC_DESCRIPTORS.map(({ name, labelKeys }) => [name, labelKeys] as const);
    const expected = Object.entries({ ...EXPECTED, container_tasks_state: ['state'] });
    expect(new Map(described)).toEqual(new Map(expected.map(([name, own]) => [name, [...COMMON, ...own]])));
    expect(new Set(described.map(([name]) => name)).size).toBe(described.length);
    expect(METRIC_DESCRIPTORS.filter(({ help }) => !help)).toEqual([]);
  });
});

describe('toPodMetrics', () => {
  it('tells what is described, with a value for each label', () => {
    const keys = new Map(METRIC_DESCRIPTORS.map(({ name, labelKeys = [] }) => [name, labelKeys]));
    const all = metricsOf(SANDBOX);
    for (const { name, labelValues = [], timestamp } of all) {
      expect(keys.get(name)).toHaveLength(labelValues.length);
      expect(timestamp).toBe(2_500_000_000n);
    }
    expect(new Set(all.map(({ name }) => name))).toEqual(new Set(keys.keys()));
  });

  it('tells no value of the same labels twice', () => {
    const all = metricsOf(SANDBOX).map(({ name, labelValues = [] }) => [name, ...labelValues].join());
    expect(new Set(all).size).toBe(all.length);
  });

  it('calls what grows only a counter', () => {
    const notTotal = metricsOf(SANDBOX).filter(
      ({ name, metricType }) =>
        (metricType === cri.MetricType.COUNTER) !== /(?<!inodes)_total$|_failcnt$/.test(name ?? ''),
    );
    expect(notTotal).toEqual([]);
  });

  it.each<[string, readonly string[]]>([
    ['container_last_seen', ['2']],
    ['container_start_time_seconds', ['1']],
    ['container_cpu_usage_seconds_total', ['total 3']],
    ['container_cpu_user_seconds_total', ['2']],
    ['container_cpu_system_seconds_total', ['1']],
    ['container_cpu_cfs_periods_total', ['40']],
    ['container_cpu_cfs_throttled_periods_total', ['30']],
    ['container_cpu_cfs_throttled_seconds_total', ['2']],
    ['container_memory_cache', ['60']],
    ['container_memory_rss', ['80']],
    ['container_memory_kernel_usage', ['61']],
    ['container_memory_mapped_file', ['62']],
    ['container_memory_max_usage_bytes', ['63']],
    ['container_memory_swap', ['70']],
    ['container_memory_failcnt', ['64']],
    ['container_memory_usage_bytes', ['150']],
    ['container_memory_working_set_bytes', ['100']],
    [
      'container_memory_failures_total',
      ['pgfault container 7', 'pgmajfault container 1', 'pgfault hierarchy 9', 'pgmajfault hierarchy 2'],
    ],
    ['container_oom_events_total', ['65']],
    ['container_fs_reads_bytes_total', ['/dev/sda 10', '7:1 30']],
    ['container_fs_reads_total', ['/dev/sda 1']],
    ['container_fs_writes_bytes_total', ['/dev/sda 20', '7:1 40']],
    ['container_fs_writes_total', ['/dev/sda 2']],
    [
      'container_blkio_device_usage_total',
      ['/dev/sda 8 0 Read 10', '/dev/sda 8 0 Write 20', '7:1 7 1 Read 30', '7:1 7 1 Write 40'],
    ],
    ['container_fs_limit_bytes', ['/dev/vda 50000']],
    ['container_fs_usage_bytes', ['/dev/vda 4096']],
    ['container_fs_inodes_total', ['/dev/vda 500']],
    ['container_fs_inodes_free', ['/dev/vda 400']],
    ['container_hugetlb_usage_bytes', ['2MB 4096']],
    ['container_hugetlb_max_usage_bytes', ['2MB 8192']],
    ['container_pressure_cpu_waiting_seconds_total', ['2']],
    ['container_pressure_cpu_stalled_seconds_total', ['1']],
    ['container_pressure_memory_waiting_seconds_total', ['3']],
    ['container_pressure_memory_stalled_seconds_total', ['0']],
    ['container_pressure_io_waiting_seconds_total', ['4']],
    ['container_pressure_io_stalled_seconds_total', ['4']],
    ['container_spec_cpu_period', ['100000']],
    ['container_spec_cpu_quota', ['20000']],
    ['container_spec_cpu_shares', ['512']],
    ['container_spec_memory_limit_bytes', ['1000']],
    ['container_spec_memory_swap_limit_bytes', ['1200']],
    ['container_spec_memory_reservation_limit_bytes', ['300']],
    ['container_processes', ['2']],
    ['container_threads', ['3']],
    ['container_threads_max', ['33']],
    ['container_file_descriptors', ['11']],
    ['container_sockets', ['4']],
    ['container_ulimits_soft', ['max_open_files 1024']],
    ['container_tasks_state', ['sleeping 2', 'running 1', 'stopped 0', 'uninterruptible 0']],
  ])('%s of a container', (name, expected) => {
    expect(valuesOf(name)).toEqual(expected);
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['container_threads', OF_POD, ['4']],
    ['container_memory_cache', OF_POD, ['60']],
    ['container_processes', OF_POD, []],
    ['container_network_receive_bytes_total', OF_NETWORK, ['net1 1', 'eth0 1']],
    ['container_network_receive_errors_total', OF_NETWORK, ['net1 2', 'eth0 2']],
    ['container_network_receive_packets_total', OF_NETWORK, ['net1 5', 'eth0 5']],
    ['container_network_receive_packets_dropped_total', OF_NETWORK, ['net1 6', 'eth0 6']],
    ['container_network_transmit_bytes_total', OF_NETWORK, ['net1 3', 'eth0 3']],
    ['container_network_transmit_errors_total', OF_NETWORK, ['net1 4', 'eth0 4']],
    ['container_network_transmit_packets_total', OF_NETWORK, ['net1 7', 'eth0 7']],
    ['container_network_transmit_packets_dropped_total', OF_NETWORK, ['net1 8', 'eth0 8']],
  ])('%s of the pod %j', (name, of, expected) => {
    expect(valuesOf(name, SANDBOX, [...of])).toEqual(expected);
  });

  it.each<[string, PodSandboxStats, string, readonly string[]]>([
    [
      'without a quota no periods',
      withDetail((detail) => ({ ...detail, limits: {} })),
      'container_cpu_cfs_periods_total',
      [],
    ],
    [
      'no limit of memory as 0',
      withDetail((detail) => ({ ...detail, limits: {} })),
      'container_spec_memory_limit_bytes',
      ['0'],
    ],
    [
      'no limit of threads as 0',
      withDetail((detail) => ({ ...detail, limits: {} })),
      'container_threads_max',
      ['0'],
    ],
    [
      'a limit of swap alone',
      withDetail((detail) => ({ ...detail, limits: { swapBytes: 77 } })),
      'container_spec_memory_swap_limit_bytes',
      ['77'],
    ],
    [
      'as 0 what a kernel does not tell of memory, as cAdvisor',
      withDetail((detail) => ({ ...detail, memory: { cacheBytes: 1 } })),
      'container_memory_max_usage_bytes',
      ['0'],
    ],
    [
      'nothing of memory that is not counted',
      withDetail((detail) => ({ ...detail, memory: {} })),
      'container_memory_max_usage_bytes',
      [],
    ],
    [
      'the same faults in both scopes where they are counted together',
      withDetail((detail) => ({ ...detail, memory: {} })),
      'container_memory_failures_total',
      ['pgfault container 9', 'pgmajfault container 2', 'pgfault hierarchy 9', 'pgmajfault hierarchy 2'],
    ],
    [
      'no unlimited ulimit',
      withDetail((detail) => ({ ...detail, processes: { ...PROCESSES, softLimits: {} } })),
      'container_ulimits_soft',
      [],
    ],
  ])('tells %s', (_what, stats, name, expected) => {
    expect(valuesOf(name, stats)).toEqual(expected);
  });

  it('tells of a backend without detail what it has', () => {
    const { detail: _, ...container } = CONTAINER;
    const { detail: __, ...pod } = SANDBOX;
    const { rxPackets: _rx, rxDropped: _rd, txPackets: _tx, txDropped: _td, ...plain } = ETH0;
    const names = metricsOf({ ...pod, network: [plain], containers: [container] }).map(({ name }) => name);
    expect([...new Set(names)].sort()).toEqual([
      'container_cpu_usage_seconds_total',
      'container_fs_usage_bytes',
      'container_last_seen',
      'container_memory_failures_total',
      'container_memory_rss',
      'container_memory_swap',
      'container_memory_usage_bytes',
      'container_memory_working_set_bytes',
      'container_network_receive_bytes_total',
      'container_network_receive_errors_total',
      'container_network_transmit_bytes_total',
      'container_network_transmit_errors_total',
      'container_threads',
    ]);
  });
});
