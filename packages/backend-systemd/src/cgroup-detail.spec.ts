import { describe, expect, it } from 'vitest';
import { type CgroupDetail, readCgroupDetail } from './cgroup-detail.js';

const PATH = 'a.slice/b.service';

const V2 = {
  'cpu.stat':
    'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 9\nnr_throttled 4\nthrottled_usec 70\n',
  'memory.stat': 'anon 1000\nfile 2500\nkernel 640\nfile_mapped 300\npgfault 12\npgmajfault 3\n',
  'memory.events': 'low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\n',
  'memory.peak': '8000\n',
  'memory.max': '10000\n',
  'memory.min': '0\n',
  'memory.low': '3000\n',
  'memory.swap.max': '0\n',
  'cpu.max': '20000 100000\n',
  'cpu.weight': '50\n',
  'pids.max': '33\n',
  'io.stat':
    '8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n253:0 \n7:1 rbytes=5 wbytes=0 rios=1 wios=0\n',
  'hugetlb.2MB.current': '4194304\n',
  'cpu.pressure':
    'some avg10=0.00 avg60=0.00 avg300=0.00 total=120\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=20\n',
  'memory.pressure': 'some avg10=1.00 avg60=0.00 avg300=0.00 total=7\n',
};

const V1 = {
  'unified/cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n',
  'unified/cpu.pressure': V2['cpu.pressure'],
  'cpu/cpu.stat': 'nr_periods 9\nnr_throttled 4\nthrottled_time 70000\n',
  'cpu/cpu.cfs_quota_us': '20000\n',
  'cpu/cpu.cfs_period_us': '100000\n',
  'cpu/cpu.shares': '512\n',
  'memory/memory.stat':
    'cache 1\nmapped_file 1\npgfault 11\npgmajfault 2\ntotal_cache 2500\ntotal_mapped_file 300\ntotal_pgfault 12\n',
  'memory/memory.kmem.usage_in_bytes': '640\n',
  'memory/memory.max_usage_in_bytes': '8000\n',
  'memory/memory.failcnt': '5\n',
  'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
  'memory/memory.limit_in_bytes': '10000\n',
  'memory/memory.memsw.limit_in_bytes': '12000\n',
  'memory/memory.soft_limit_in_bytes': '9223372036854771712\n',
  'pids/pids.max': 'max\n',
  'blkio/blkio.throttle.io_service_bytes_recursive':
    '8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Total 30\n7:1 Read 5\n7:1 Write 0\n7:1 Total 5\nTotal 35\n',
  'blkio/blkio.throttle.io_serviced_recursive':
    '8:0 Read 1\n8:0 Write 2\n8:0 Total 3\n7:1 Read 1\n7:1 Write 0\nTotal 4\n',
  'hugetlb/hugetlb.2MB.usage_in_bytes': '4194304\n',
  'hugetlb/hugetlb.2MB.max_usage_in_bytes': '6291456\n',
};

const CPU: CgroupDetail['cpu'] = {
  ...{ userNanoseconds: 1_000_000, systemNanoseconds: 500_000 },
  ...{ periods: 9, throttledPeriods: 4, throttledNanoseconds: 70_000 },
};
const MEMORY: CgroupDetail['memory'] = {
  ...{ cacheBytes: 2500, kernelBytes: 640, mappedFileBytes: 300, maxUsageBytes: 8000 },
  ...{ limitHits: 5, oomKills: 1 },
};
const SDA = { device: '/dev/sda', major: 8, minor: 0, readBytes: 10, writtenBytes: 20, reads: 1, writes: 2 };
const NAMELESS = { device: '7:1', major: 7, minor: 1, readBytes: 5, writtenBytes: 0, reads: 1, writes: 0 };
const HUGE = { pageSize: '2MB', usageBytes: 4_194_304 };

type Files = Readonly<Record<string, string | undefined>>;

/** The files of a cgroup, by their names, and on version 1 their controllers. */
function reading(version: 1 | 2, files: Files): CgroupDetail {
  const found = new Map(
    Object.entries(files).map(([name, text]) => {
      const [controller, file] = version === 1 ? name.split('/') : ['', name];
      return [['/sys/fs/cgroup', controller, PATH, file].filter(Boolean).join('/'), text];
    }),
  );
  return readCgroupDetail(version, PATH, (path) => found.get(path), {
    deviceName: (major) => (major === 8 ? '/dev/sda' : undefined),
    hugepageSizes: ['1GB', '2MB'],
  });
}

describe('readCgroupDetail', () => {
  it('reads version 2', () => {
    expect(reading(2, V2)).toEqual({
      cpu: CPU,
      memory: MEMORY,
      devices: [SDA, NAMELESS],
      hugepages: [HUGE],
      pressure: {
        cpu: { waitingMicroseconds: 120, stalledMicroseconds: 20 },
        memory: { waitingMicroseconds: 7 },
      },
      limits: {
        ...{ cpuPeriodMicroseconds: 100_000, cpuQuotaMicroseconds: 20_000, cpuShares: 512 },
        ...{ memoryBytes: 10_000, swapBytes: 0, memoryReservationBytes: 3000, pids: 33 },
      },
    });
  });

  it('reads version 1 beside version 2', () => {
    expect(reading(1, V1)).toEqual({
      cpu: CPU,
      memory: { ...MEMORY, ownPageFaults: 11, ownMajorPageFaults: 2 },
      devices: [SDA, NAMELESS],
      hugepages: [{ ...HUGE, maxUsageBytes: 6_291_456 }],
      pressure: { cpu: { waitingMicroseconds: 120, stalledMicroseconds: 20 } },
      limits: {
        ...{ cpuPeriodMicroseconds: 100_000, cpuQuotaMicroseconds: 20_000, cpuShares: 512 },
        ...{ memoryBytes: 10_000, memorySwapBytes: 12_000 },
      },
    });
  });

  it.each<[string, 1 | 2, Files, (detail: CgroupDetail) => unknown, unknown]>([
    [
      'time on version 1 alone, in hundredths of a second',
      1,
      { ...V1, 'unified/cpu.stat': undefined, 'cpuacct/cpuacct.stat': 'user 150\nsystem 7\n' },
      ({ cpu }) => [cpu.userNanoseconds, cpu.systemNanoseconds],
      [1_500_000_000, 70_000_000],
    ],
    [
      'no quota on version 1',
      1,
      { ...V1, 'cpu/cpu.cfs_quota_us': '-1\n' },
      ({ limits }) => [limits.cpuQuotaMicroseconds, limits.cpuPeriodMicroseconds],
      [undefined, 100_000],
    ],
    [
      'no quota on version 2',
      2,
      { ...V2, 'cpu.max': 'max 100000\n' },
      ({ limits }) => [limits.cpuQuotaMicroseconds, limits.cpuPeriodMicroseconds],
      [undefined, 100_000],
    ],
    [
      "a weight of systemd's default",
      2,
      { ...V2, 'cpu.weight': '100\n' },
      ({ limits }) => limits.cpuShares,
      1024,
    ],
    [
      'no limits on version 2',
      2,
      { ...V2, ...{ 'memory.max': 'max\n', 'memory.swap.max': 'max\n', 'pids.max': 'max\n' } },
      ({ limits }) => [limits.memoryBytes, limits.swapBytes, limits.pids],
      [undefined, undefined, undefined],
    ],
    [
      'memory that is kept for it whatever others want',
      2,
      { ...V2, 'memory.min': '5000\n' },
      ({ limits }) => limits.memoryReservationBytes,
      5000,
    ],
    [
      'no memory kept for it',
      2,
      { ...V2, 'memory.low': '0\n' },
      ({ limits }) => limits.memoryReservationBytes,
      undefined,
    ],
    [
      'a kernel without memory.peak and kernel',
      2,
      { ...V2, 'memory.peak': undefined, 'memory.stat': 'anon 1\nfile 2\nkernel_stack 3\n' },
      ({ memory }) => [memory.maxUsageBytes, memory.kernelBytes, memory.cacheBytes],
      [undefined, undefined, 2],
    ],
    ['no I/O yet', 2, { ...V2, 'io.stat': '' }, ({ devices }) => devices, []],
    ['I/O that is not counted', 2, { ...V2, 'io.stat': undefined }, ({ devices }) => devices, undefined],
    [
      'I/O on version 1, none yet',
      1,
      { ...V1, 'blkio/blkio.throttle.io_service_bytes_recursive': 'Total 0\n' },
      ({ devices }) => devices,
      [],
    ],
    [
      'operations that version 1 does not count',
      1,
      { ...V1, 'blkio/blkio.throttle.io_serviced_recursive': undefined },
      ({ devices }) => devices?.[0],
      { device: '/dev/sda', major: 8, minor: 0, readBytes: 10, writtenBytes: 20 },
    ],
  ])('%s', (_what, version, files, pick, expected) => {
    expect(pick(reading(version, files))).toEqual(expected);
  });

  it.each<1 | 2>([1, 2])('of a cgroup that is gone has nothing (version %i)', (version) => {
    expect(reading(version, {})).toEqual({ cpu: {}, memory: {}, limits: {} });
  });
});
