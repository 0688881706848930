import type { CpuStats, IoStats, MemoryStats } from '@podwright/core';
import type { CgroupVersion } from './container-resources.js';

/** What a cgroup and those below it use now. */
export interface CgroupUsage {
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  readonly io?: IoStats;
  /** Tasks, threads among them. */
  readonly pids: number;
}

/** The text of a file of the host below its mount of cgroups; undefined when there is no such file. */
export type ReadCgroupFile = (path: string) => string | undefined;

const ROOT = '/sys/fs/cgroup';

/** Version 1 says "none" by the greatest number of pages, version 2 by `max`. */
const LARGEST_LIMIT_BYTES = 2 ** 60;

/** Where a file of a controller lies for a cgroup. @param path below the root, e.g. `a.slice/b.service` */
export function cgroupFile(version: CgroupVersion, controller: string, path: string, name: string): string {
  return version === 2 ? `${ROOT}/${path}/${name}` : `${ROOT}/${controller}/${path}/${name}`;
}

/** Where a file of the unified hierarchy lies: beside version 1 ("hybrid") systemd has all units there too. */
export function unifiedFile(version: CgroupVersion, path: string, name: string): string {
  return version === 2 ? `${ROOT}/${path}/${name}` : `${ROOT}/unified/${path}/${name}`;
}

/**
 * Reads what a cgroup uses.
 * @returns undefined when it is not there, or goes away meanwhile
 */
export function readCgroupUsage(
  version: CgroupVersion,
  path: string,
  read: ReadCgroupFile,
): CgroupUsage | undefined {
  const cpu = readCpu(version, path, read);
  const memory = readMemory(version, path, read);
  const pids = numberOf(read(cgroupFile(version, 'pids', path, 'pids.current')));
  if (cpu === undefined || memory === undefined || pids === undefined) return undefined;
  const io = readIo(version, path, read);
  return { cpu: { usageNanoseconds: cpu }, memory, ...(io === undefined ? {} : { io }), pids };
}

function readCpu(version: CgroupVersion, path: string, read: ReadCgroupFile): number | undefined {
  // Beside version 1 the unified hierarchy counts by itself.
  const microseconds = keyed(read(unifiedFile(version, path, 'cpu.stat')))?.get('usage_usec');
  if (microseconds !== undefined) return microseconds * 1000;
  return version === 2 ? undefined : numberOf(read(cgroupFile(1, 'cpuacct', path, 'cpuacct.usage')));
}

/** Working set as cAdvisor and the kubelet have it: usage less the inactive part of the file cache. */
function readMemory(version: CgroupVersion, path: string, read: ReadCgroupFile): MemoryStats | undefined {
  const names = MEMORY_NAMES[version];
  const text = (name: string) => read(cgroupFile(version, 'memory', path, name));
  const usageBytes = numberOf(text(names.usage));
  const stat = keyed(text('memory.stat'));
  if (usageBytes === undefined || stat === undefined) return undefined;
  const workingSetBytes = Math.max(0, usageBytes - (stat.get(names.inactiveFile) ?? 0));
  const limit = limitOf(text(names.limit));
  const rssBytes = stat.get(names.rss);
  const [pageFaults, majorPageFaults] = [stat.get(names.faults), stat.get(names.majorFaults)];
  return {
    workingSetBytes,
    usageBytes,
    ...(limit === undefined ? {} : { availableBytes: Math.max(0, limit - workingSetBytes) }),
    ...(rssBytes === undefined ? {} : { rssBytes }),
    ...(pageFaults === undefined ? {} : { pageFaults }),
    ...(majorPageFaults === undefined ? {} : { majorPageFaults }),
    ...readSwap(version, text, stat),
  };
}

/** Version 1 has a limit of memory and swap together only, which says nothing of swap alone. */
function readSwap(
  version: CgroupVersion,
  text: (name: string) => string | undefined,
  stat: ReadonlyMap<string, number>,
): Pick<MemoryStats, 'swapUsageBytes' | 'swapAvailableBytes'> {
  const swapUsageBytes = version === 2 ? numberOf(text('memory.swap.current')) : stat.get('total_swap');
  const limit = version === 2 ? limitOf(text('memory.swap.max')) : undefined;
  if (swapUsageBytes === undefined) return {};
  return {
    swapUsageBytes,
    ...(limit === undefined ? {} : { swapAvailableBytes: Math.max(0, limit - swapUsageBytes) }),
  };
}

const MEMORY_NAMES = {
  1: {
    usage: 'memory.usage_in_bytes',
    limit: 'memory.limit_in_bytes',
    inactiveFile: 'total_inactive_file',
    rss: 'total_rss',
    faults: 'total_pgfault',
    majorFaults: 'total_pgmajfault',
  },
  2: {
    usage: 'memory.current',
    limit: 'memory.max',
    inactiveFile: 'inactive_file',
    rss: 'anon',
    faults: 'pgfault',
    majorFaults: 'pgmajfault',
  },
} as const;

/** A limit of memory as either version writes it; undefined for none. */
export function limitOf(text: string | undefined): number | undefined {
  const bytes = numberOf(text);
  return bytes === undefined || bytes > LARGEST_LIMIT_BYTES ? undefined : bytes;
}

/** The limit of memory that holds for a cgroup; undefined when it has none of its own. */
export function readMemoryLimit(
  version: CgroupVersion,
  path: string,
  read: ReadCgroupFile,
): number | undefined {
  return limitOf(read(cgroupFile(version, 'memory', path, MEMORY_NAMES[version].limit)));
}

/** Version 1: lines `8:0 Read 4096` and a total; version 2: lines `8:0 rbytes=4096 wbytes=0 …`. */
function readIo(version: CgroupVersion, path: string, read: ReadCgroupFile): IoStats | undefined {
  const name = version === 2 ? 'io.stat' : 'blkio.throttle.io_service_bytes_recursive';
  const text = read(cgroupFile(version, 'blkio', path, name));
  if (text === undefined) return undefined;
  const sum = (pattern: RegExp) =>
    [...text.matchAll(pattern)].reduce((total, [, bytes]) => total + Number(bytes), 0);
  return version === 2
    ? { readBytes: sum(/ rbytes=(\d+)/g), writtenBytes: sum(/ wbytes=(\d+)/g) }
    : { readBytes: sum(/^\S+ Read (\d+)$/gm), writtenBytes: sum(/^\S+ Write (\d+)$/gm) };
}

/** A file of one number. */
export function numberOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

/** A file with lines `name number`. */
export function keyed(text: string | undefined): ReadonlyMap<string, number> | undefined {
  if (text === undefined) return undefined;
  return new Map([...text.matchAll(/^(\S+) (\d+)$/gm)].map(([, name = '', value]) => [name, Number(value)]));
}
