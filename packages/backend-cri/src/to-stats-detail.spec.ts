import { create } from '@bufbuild/protobuf';
import type { StatsDetail } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import { MetricValues } from './metric-values.js';
import { toStatsDetail, withPackets } from './to-stats-detail.js';

/** By name and the values of its own labels: `name a b`. */
type Told = Readonly<Record<string, number>>;

const OWN_LABELS: Readonly<Record<string, readonly string[]>> = {
  container_blkio_device_usage_total: ['device', 'major', 'minor', 'operation'],
  container_fs_reads_bytes_total: ['device'],
  container_fs_reads_total: ['device'],
  container_fs_writes_bytes_total: ['device'],
  container_fs_limit_bytes: ['device'],
  container_hugetlb_usage_bytes: ['pagesize'],
  container_hugetlb_max_usage_bytes: ['pagesize'],
  container_ulimits_soft: ['ulimit'],
  container_tasks_state: ['state'],
  container_network_receive_packets_total: ['interface'],
  container_network_transmit_packets_dropped_total: ['interface'],
};

function valuesOf(told: Told): MetricValues {
  const split = Object.entries(told).map(([text, value]) => ({ words: text.split(' '), value }));
  return new MetricValues(
    split.map(({ words: [name = '', ...own], value }) =>
      create(cri.MetricSchema, { name, labelValues: ['id', ...own], value: { value: BigInt(value) } }),
    ),
    split.map(({ words: [name = ''] }) =>
      create(cri.MetricDescriptorSchema, { name, labelKeys: ['id', ...(OWN_LABELS[name] ?? [])] }),
    ),
  );
}

const detailOf = (told: Told, unified = true) => toStatsDetail(valuesOf(told), 1234, unified);

describe('toStatsDetail', () => {
  it.each<[string, Told, (detail: StatsDetail) => unknown, unknown]>([
    ['the start, of the status', {}, ({ startedAtMs }) => startedAtMs, 1234],
    [
      'times in seconds',
      { container_cpu_user_seconds_total: 3, container_cpu_cfs_throttled_seconds_total: 2 },
      ({ cpu }) => cpu,
      { userNanoseconds: 3e9, throttledNanoseconds: 2e9 },
    ],
    [
      'memory, without what is 0 for not told',
      {
        ...{
          container_memory_cache: 0,
          container_memory_kernel_usage: 0,
          container_memory_max_usage_bytes: 0,
        },
        container_oom_events_total: 1,
      },
      ({ memory }) => memory,
      { cacheBytes: 0, oomKills: 1 },
    ],
    [
      'limits, without what is 0 for none',
      {
        ...{ container_spec_cpu_period: 100, container_spec_memory_limit_bytes: 0, container_threads_max: 0 },
        container_spec_memory_swap_limit_bytes: 77,
      },
      ({ limits }) => limits,
      { cpuPeriodMicroseconds: 100, swapBytes: 77 },
    ],
    [
      'a device by its numbers',
      {
        'container_blkio_device_usage_total /dev/sda 8 0 Read': 10,
        'container_blkio_device_usage_total /dev/sda 8 0 Write': 20,
        'container_fs_reads_total /dev/sda': 2,
      },
      ({ devices }) => devices,
      [{ device: '/dev/sda', major: 8, minor: 0, readBytes: 10, writtenBytes: 20, reads: 2 }],
    ],
    [
      'a device that is called by its numbers',
      { 'container_fs_reads_bytes_total 8:1': 10, 'container_fs_writes_bytes_total 8:1': 20 },
      ({ devices }) => devices,
      [{ device: '8:1', major: 8, minor: 1, readBytes: 10, writtenBytes: 20 }],
    ],
    [
      'no device whose numbers are not told',
      { 'container_fs_reads_bytes_total /dev/sda': 1 },
      ({ devices }) => devices,
      undefined,
    ],
    [
      'huge pages',
      { 'container_hugetlb_usage_bytes 2MB': 4096, 'container_hugetlb_max_usage_bytes 2MB': 8192 },
      ({ hugepages }) => hugepages,
      [{ pageSize: '2MB', usageBytes: 4096, maxUsageBytes: 8192 }],
    ],
    [
      'time waited for',
      { container_pressure_io_waiting_seconds_total: 2, container_pressure_io_stalled_seconds_total: 1 },
      ({ pressure }) => pressure,
      { io: { waitingMicroseconds: 2e6, stalledMicroseconds: 1e6 } },
    ],
    [
      'processes',
      {
        ...{ container_processes: 2, container_file_descriptors: 9, container_sockets: 1 },
        ...{ 'container_ulimits_soft max_open_files': 1024, 'container_tasks_state running': 1 },
      },
      ({ processes }) => processes,
      {
        ...{ processes: 2, fileDescriptors: 9, sockets: 1, softLimits: { max_open_files: 1024 } },
        threadStates: { running: 1, sleeping: 0, uninterruptible: 0, stopped: 0 },
      },
    ],
    [
      'no processes where they are half told',
      { container_processes: 2 },
      ({ processes }) => processes,
      undefined,
    ],
    [
      'the file system',
      { 'container_fs_limit_bytes /dev/vda': 50, container_fs_inodes_total: 5, container_fs_inodes_free: 4 },
      ({ filesystem }) => filesystem,
      { device: '/dev/vda', capacityBytes: 50, inodes: 5, inodesFree: 4 },
    ],
  ])('has %s', (_what, told, pick, expected) => {
    expect(pick(detailOf(told))).toEqual(expected);
  });

  it('takes a limit of swap as one with memory where the host has version 1', () => {
    expect(detailOf({ container_spec_memory_swap_limit_bytes: 77 }, false).limits).toEqual({
      memorySwapBytes: 77,
    });
  });
});

it('adds the packets of each interface', () => {
  const eth0 = { name: 'eth0', rxBytes: 1, rxErrors: 0, txBytes: 2, txErrors: 0 };
  const values = valuesOf({
    'container_network_receive_packets_total eth0': 7,
    'container_network_transmit_packets_dropped_total eth0': 3,
  });
  expect(withPackets([eth0, { ...eth0, name: 'net1' }], values)).toEqual([
    { ...eth0, rxPackets: 7, txDropped: 3 },
    { ...eth0, name: 'net1' },
  ]);
});
