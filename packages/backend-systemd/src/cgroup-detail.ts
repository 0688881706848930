import {
  type CpuDetail,
  type DeviceIoStats,
  type HugepageStats,
  type LimitDetail,
  type MemoryDetail,
  type PressureDetail,
  type StallTimes,
  type StatsDetail,
  withoutUndefined,
} from '@podwright/core';
import { cgroupFile, keyed, limitOf, numberOf, type ReadCgroupFile, unifiedFile } from './cgroup-stats.js';
import type { CgroupVersion } from './container-resources.js';

/** What a cgroup tells beyond its usage. */
export type CgroupDetail = Omit<StatsDetail, 'startedAtMs' | 'processes' | 'filesystem'>;

/** What is the same for all cgroups of a host. */
export interface HostNames {
  /** Name of a block device by its numbers; undefined when it has none any more. */
  readonly deviceName: (major: number, minor: number) => string | undefined;
  /** As the kernel writes them in names of files of cgroups: `2MB`. */
  readonly hugepageSizes: readonly string[];
}

/** systemd's default weight is what a whole core gets, as for its units (`resourceProperties`). */
const SHARES_PER_WEIGHT = 1024 / 100;
/** `cpuacct.stat` counts in hundredths of a second (USER_HZ, time(7)). */
const NANOSECONDS_PER_TICK = 10_000_000;

type ReadOf = (controller: string, name: string) => string | undefined;

/** @returns what is there; a cgroup that is gone has next to nothing */
export function readCgroupDetail(
  version: CgroupVersion,
  path: string,
  read: ReadCgroupFile,
  names: HostNames,
): CgroupDetail {
  const of: ReadOf = (controller, name) => read(cgroupFile(version, controller, path, name));
  const devices = readDevices(version, of, names);
  const hugepages = readHugepages(version, of, names);
  const pressure = readPressure((name) => read(unifiedFile(version, path, name)));
  return {
    cpu: readCpu(version, of, keyed(read(unifiedFile(version, path, 'cpu.stat')))),
    memory: version === 1 ? readMemory1(of) : readMemory2(of),
    ...(devices === undefined ? {} : { devices }),
    ...(hugepages.length === 0 ? {} : { hugepages }),
    ...(pressure === undefined ? {} : { pressure }),
    limits: version === 1 ? readLimits1(of) : readLimits2(of),
  };
}

/** Beside version 1 the unified hierarchy counts time too, finer than `cpuacct.stat`. */
function readCpu(
  version: CgroupVersion,
  of: ReadOf,
  unified: ReadonlyMap<string, number> | undefined,
): CpuDetail {
  const ticks = unified === undefined ? keyed(of('cpuacct', 'cpuacct.stat')) : undefined;
  const quota = keyed(of('cpu', 'cpu.stat'));
  return withoutUndefined({
    userNanoseconds:
      scaled(unified?.get('user_usec'), 1000) ?? scaled(ticks?.get('user'), NANOSECONDS_PER_TICK),
    systemNanoseconds:
      scaled(unified?.get('system_usec'), 1000) ?? scaled(ticks?.get('system'), NANOSECONDS_PER_TICK),
    periods: quota?.get('nr_periods'),
    throttledPeriods: quota?.get('nr_throttled'),
    throttledNanoseconds:
      version === 1 ? quota?.get('throttled_time') : scaled(quota?.get('throttled_usec'), 1000),
  });
}

/** cgroup-v1/memory.rst. `total_…` is with the cgroups below it. */
function readMemory1(of: ReadOf): MemoryDetail {
  const stat = keyed(of('memory', 'memory.stat'));
  const number = (name: string) => numberOf(of('memory', name));
  return withoutUndefined({
    cacheBytes: stat?.get('total_cache'),
    kernelBytes: number('memory.kmem.usage_in_bytes'),
    mappedFileBytes: stat?.get('total_mapped_file'),
    maxUsageBytes: number('memory.max_usage_in_bytes'),
    limitHits: number('memory.failcnt'),
    oomKills: keyed(of('memory', 'memory.oom_control'))?.get('oom_kill'),
    ownPageFaults: stat?.get('pgfault'),
    ownMajorPageFaults: stat?.get('pgmajfault'),
  });
}

/** cgroup-v2.rst. `kernel` is there since Linux 5.18, `memory.peak` since 5.19. */
function readMemory2(of: ReadOf): MemoryDetail {
  const stat = keyed(of('memory', 'memory.stat'));
  const events = keyed(of('memory', 'memory.events'));
  return withoutUndefined({
    cacheBytes: stat?.get('file'),
    kernelBytes: stat?.get('kernel'),
    mappedFileBytes: stat?.get('file_mapped'),
    maxUsageBytes: numberOf(of('memory', 'memory.peak')),
    limitHits: events?.get('max'),
    oomKills: events?.get('oom_kill'),
  });
}

function readDevices(version: CgroupVersion, of: ReadOf, names: HostNames): DeviceIoStats[] | undefined {
  const counts = version === 1 ? readBlkio(of) : parseIoStat(of('io', 'io.stat'));
  return (
    counts &&
    [...counts].map(([numbers, count]) => {
      const [major = 0, minor = 0] = numbers.split(':').map(Number);
      return { device: names.deviceName(major, minor) ?? numbers, major, minor, ...count };
    })
  );
}

type IoCounts = Omit<DeviceIoStats, 'device' | 'major' | 'minor'>;

/** Lines such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`; some kernels tell the numbers alone of a device without I/O. */
function parseIoStat(text: string | undefined): Map<string, IoCounts> | undefined {
  if (text === undefined) return undefined;
  const lines = [...text.matchAll(/^(\d+:\d+) (.+)$/gm)];
  return new Map(
    lines.map(([, numbers = '', rest = '']) => {
      const values = new Map([...rest.matchAll(/(\w+)=(\d+)/g)].map(([, key = '', n]) => [key, Number(n)]));
      const bytes = { readBytes: values.get('rbytes') ?? 0, writtenBytes: values.get('wbytes') ?? 0 };
      return [
        numbers,
        { ...bytes, ...withoutUndefined({ reads: values.get('rios'), writes: values.get('wios') }) },
      ];
    }),
  );
}

/** cgroup-v1/blkio-controller.rst: lines such as `8:0 Read 4096`, among others of other operations. */
function readBlkio(of: ReadOf): Map<string, IoCounts> | undefined {
  const bytes = of('blkio', 'blkio.throttle.io_service_bytes_recursive');
  if (bytes === undefined) return undefined;
  const operations = parseBlkio(of('blkio', 'blkio.throttle.io_serviced_recursive') ?? '');
  return new Map(
    [...parseBlkio(bytes)].map(([numbers, { Read: readBytes = 0, Write: writtenBytes = 0 }]) => {
      const { Read: reads, Write: writes } = operations.get(numbers) ?? {};
      return [numbers, { readBytes, writtenBytes, ...withoutUndefined({ reads, writes }) }];
    }),
  );
}

function parseBlkio(text: string): Map<string, { Read?: number; Write?: number }> {
  const found = new Map<string, { Read?: number; Write?: number }>();
  for (const [, numbers = '', operation = '', value] of text.matchAll(/^(\d+:\d+) (Read|Write) (\d+)$/gm))
    found.set(numbers, { ...found.get(numbers), [operation]: Number(value) });
  return found;
}

function readHugepages(version: CgroupVersion, of: ReadOf, { hugepageSizes }: HostNames): HugepageStats[] {
  return hugepageSizes.flatMap((pageSize) => {
    const number = (name: string) => numberOf(of('hugetlb', `hugetlb.${pageSize}.${name}`));
    const usageBytes = number(version === 1 ? 'usage_in_bytes' : 'current');
    if (usageBytes === undefined) return [];
    const maxUsageBytes = version === 1 ? number('max_usage_in_bytes') : undefined;
    return [{ pageSize, usageBytes, ...withoutUndefined({ maxUsageBytes }) }];
  });
}

function readPressure(unified: (name: string) => string | undefined): PressureDetail | undefined {
  const pressure = withoutUndefined({
    cpu: parsePressure(unified('cpu.pressure')),
    memory: parsePressure(unified('memory.pressure')),
    io: parsePressure(unified('io.pressure')),
  });
  return Object.keys(pressure).length === 0 ? undefined : pressure;
}

/** accounting/psi.rst: `some avg10=0.00 avg60=0.00 avg300=0.00 total=12`, and `full …`, which older kernels lack for the CPU. */
function parsePressure(text: string | undefined): StallTimes | undefined {
  const total = (line: string) => {
    const value = new RegExp(`^${line} .*total=(\\d+)$`, 'm').exec(text ?? '')?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const waitingMicroseconds = total('some');
  if (waitingMicroseconds === undefined) return undefined;
  return { waitingMicroseconds, ...withoutUndefined({ stalledMicroseconds: total('full') }) };
}

function readLimits1(of: ReadOf): LimitDetail {
  return withoutUndefined({
    cpuPeriodMicroseconds: numberOf(of('cpu', 'cpu.cfs_period_us')),
    cpuQuotaMicroseconds: numberOf(of('cpu', 'cpu.cfs_quota_us')),
    cpuShares: numberOf(of('cpu', 'cpu.shares')),
    memoryBytes: limitOf(of('memory', 'memory.limit_in_bytes')),
    memorySwapBytes: limitOf(of('memory', 'memory.memsw.limit_in_bytes')),
    memoryReservationBytes: limitOf(of('memory', 'memory.soft_limit_in_bytes')),
    pids: numberOf(of('pids', 'pids.max')),
  });
}

function readLimits2(of: ReadOf): LimitDetail {
  const [quota, period] = (of('cpu', 'cpu.max') ?? '').trim().split(' ');
  const reserved = ['memory.min', 'memory.low'].map((name) => limitOf(of('memory', name)) ?? 0);
  return withoutUndefined({
    cpuPeriodMicroseconds: numberOf(period),
    cpuQuotaMicroseconds: numberOf(quota),
    cpuShares: rounded(scaled(numberOf(of('cpu', 'cpu.weight')), SHARES_PER_WEIGHT)),
    memoryBytes: limitOf(of('memory', 'memory.max')),
    swapBytes: limitOf(of('memory', 'memory.swap.max')),
    memoryReservationBytes: Math.max(...reserved) || undefined,
    pids: numberOf(of('pids', 'pids.max')),
  });
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}
