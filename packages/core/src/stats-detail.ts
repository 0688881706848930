/**
 * More of what a container or a pod uses: what cAdvisor tells of it. Counters begin with its cgroup. What the host or the
 * backend does not count is absent, never 0. Sources: cgroups(7), cgroup-v2.rst and cgroup-v1/ of the kernel's
 * documentation, proc(5).
 */
export interface StatsDetail {
  /** Since the epoch. */
  readonly startedAtMs?: number;
  readonly cpu: CpuDetail;
  readonly memory: MemoryDetail;
  /** Each block device that was read or written; absent where that is not counted. */
  readonly devices?: readonly DeviceIoStats[];
  /** Each size of huge pages; absent where they are not counted. */
  readonly hugepages?: readonly HugepageStats[];
  /** Absent where the kernel has no pressure stall information (PSI). */
  readonly pressure?: PressureDetail;
  readonly limits: LimitDetail;
  readonly processes?: ProcessDetail;
  /** What the writable layer lies on. */
  readonly filesystem?: FilesystemDetail;
}

export interface CpuDetail {
  /** Time in processes' own code, and in the kernel for them, over all cores. */
  readonly userNanoseconds?: number;
  readonly systemNanoseconds?: number;
  /** Periods of a quota in which something ran, those of them in which it was used up, and the time waited for the next. */
  readonly periods?: number;
  readonly throttledPeriods?: number;
  readonly throttledNanoseconds?: number;
}

export interface MemoryDetail {
  /** Page cache, with tmpfs and shared memory. */
  readonly cacheBytes?: number;
  /** Of the kernel's own for it: stacks, page tables, slab. */
  readonly kernelBytes?: number;
  /** Of the page cache what processes have mapped. */
  readonly mappedFileBytes?: number;
  /** The most that was in use. */
  readonly maxUsageBytes?: number;
  /** How often the limit was reached, and something had to be given back or the demand failed. */
  readonly limitHits?: number;
  /** Processes that were killed for want of memory. */
  readonly oomKills?: number;
  /** Page faults without those of cgroups below it; absent where only all of them are counted (version 2). */
  readonly ownPageFaults?: number;
  readonly ownMajorPageFaults?: number;
}

/** What was read from and written to a block device. */
export interface DeviceIoStats {
  /** Such as `/dev/sda`; its numbers as `8:0` when it has no name. */
  readonly device: string;
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Operations; absent where only bytes are counted. */
  readonly reads?: number;
  readonly writes?: number;
}

export interface HugepageStats {
  /** As the kernel writes it, such as `2MB`. */
  readonly pageSize: string;
  readonly usageBytes: number;
  /** The most that was in use; absent where not counted (version 2). */
  readonly maxUsageBytes?: number;
}

/** What was waited for, since its cgroup was made. */
export interface PressureDetail {
  readonly cpu?: StallTimes;
  readonly memory?: StallTimes;
  readonly io?: StallTimes;
}

/** Pressure stall information: `some` and `full` of the kernel's psi.rst. */
export interface StallTimes {
  /** Time in which one task at least waited. */
  readonly waitingMicroseconds: number;
  /** Time in which all tasks that had work waited; older kernels do not tell it of the CPU. */
  readonly stalledMicroseconds?: number;
}

/** Limits as the kernel holds them; one that is absent is none. */
export interface LimitDetail {
  /** What `cpuQuotaMicroseconds` are counted over; there without a quota too. */
  readonly cpuPeriodMicroseconds?: number;
  readonly cpuQuotaMicroseconds?: number;
  /** 1024 for a whole core; of version 2 made from the weight, of which systemd's default, 100, is a whole core. */
  readonly cpuShares?: number;
  readonly memoryBytes?: number;
  /** Memory and swap together (version 1), or swap alone (version 2). */
  readonly memorySwapBytes?: number;
  readonly swapBytes?: number;
  /** Memory that is spared while others can give some back. */
  readonly memoryReservationBytes?: number;
  /** Processes and threads. */
  readonly pids?: number;
}

/** The processes of a container, without what watches it. */
export interface ProcessDetail {
  readonly processes: number;
  /** Open file descriptors, and those of them that are sockets, summed over all processes. */
  readonly fileDescriptors: number;
  readonly sockets: number;
  /** Threads by what they do; absent where it is not told. */
  readonly threadStates?: ThreadStates;
  /** Soft limits of the first process, in proc(5)'s words: `max_open_files`; an unlimited one is left out. */
  readonly softLimits: Readonly<Record<string, number>>;
}

/** As `State` in proc(5): `R`, `S`, `D`, and `T` with `t`. */
export interface ThreadStates {
  readonly running: number;
  readonly sleeping: number;
  readonly uninterruptible: number;
  readonly stopped: number;
}

/** A file system as statfs(2) tells of it. */
export interface FilesystemDetail {
  /** What is mounted, such as `/dev/sda1`. */
  readonly device: string;
  readonly capacityBytes: number;
  /** 0 where inodes are made as they are needed, as on btrfs. */
  readonly inodes: number;
  readonly inodesFree: number;
}
