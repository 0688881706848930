import type {
  ContainerResources,
  ContainerStats,
  LimitDetail,
  StallTimes,
  StatsDetail,
} from '@podwright/core';
import type { SimulatedSandbox } from './simulated-sandbox.js';
import type { SimulatedLoad } from './simulated-stats.js';

/** Of what a program takes of a core, this part is its own code's; the rest is the kernel's for it. */
const USER_SHARE = 0.75;
const KERNEL_BYTES_PER_PROCESS = 64 * 1024;
const CPU_PERIOD_US = 100_000;
const SHARES_PER_CORE = 1024;
/** What a container has that asks for no CPU. */
const LEAST_SHARES = 2;
const OPEN_FILES_LIMIT = 1024;
/** Its three standard streams. */
const OPEN_FILES_PER_PROCESS = 3;
const CAPACITY_BYTES = 100 * 1024 ** 3;
const INODES = 6_553_600;

const NO_STALLS: StallTimes = { waitingMicroseconds: 0, stalledMicroseconds: 0 };

/** Nothing is ever short on the simulated machine: nothing is throttled, waited for or killed. */
export function simulatedDetail(
  { startedAtMs, nowMs, processes, resources, writableLayer }: SimulatedLoad,
  { cpu, memory }: Pick<ContainerStats, 'cpu' | 'memory'>,
): StatsDetail {
  return {
    ...common(cpu.usageNanoseconds, memory.usageBytes, processes, resources, nowMs - startedAtMs),
    startedAtMs,
    processes: {
      processes,
      fileDescriptors: processes * OPEN_FILES_PER_PROCESS,
      sockets: 0,
      threadStates: { running: 0, sleeping: processes, uninterruptible: 0, stopped: 0 },
      softLimits: { max_open_files: OPEN_FILES_LIMIT },
    },
    filesystem: {
      device: '/dev/simulated',
      capacityBytes: CAPACITY_BYTES,
      inodes: INODES,
      inodesFree: Math.max(0, INODES - writableLayer.inodesUsed),
    },
  };
}

export function simulatedPodDetail(
  { createdAtMs, resources }: SimulatedSandbox,
  { cpu, memory, pids, timestampMs }: Pick<ContainerStats, 'cpu' | 'memory' | 'pids' | 'timestampMs'>,
): StatsDetail {
  const ageMs = timestampMs - createdAtMs;
  return {
    ...common(cpu.usageNanoseconds, memory.usageBytes, pids, resources, ageMs),
    startedAtMs: createdAtMs,
  };
}

function common(
  cpuNanoseconds: number,
  memoryBytes: number,
  processes: number,
  resources: ContainerResources,
  ageMs: number,
): StatsDetail {
  const userNanoseconds = Math.round(cpuNanoseconds * USER_SHARE);
  const periods = Math.floor((ageMs * 1000) / CPU_PERIOD_US);
  const hasQuota = resources.cpuLimitMillis !== undefined;
  return {
    cpu: {
      userNanoseconds,
      systemNanoseconds: cpuNanoseconds - userNanoseconds,
      ...(hasQuota ? { periods, throttledPeriods: 0, throttledNanoseconds: 0 } : {}),
    },
    memory: {
      ...{ cacheBytes: 0, mappedFileBytes: 0, kernelBytes: processes * KERNEL_BYTES_PER_PROCESS },
      ...{ maxUsageBytes: memoryBytes, limitHits: 0, oomKills: 0 },
    },
    devices: [],
    pressure: { cpu: NO_STALLS, memory: NO_STALLS, io: NO_STALLS },
    limits: limitsOf(resources),
  };
}

function limitsOf({
  cpuLimitMillis,
  cpuRequestMillis = 0,
  memoryLimitBytes,
  memorySwapLimitBytes,
  swapLimitBytes,
  memoryRequestBytes,
  pidsLimit,
}: ContainerResources): LimitDetail {
  return {
    cpuPeriodMicroseconds: CPU_PERIOD_US,
    ...(cpuLimitMillis === undefined
      ? {}
      : { cpuQuotaMicroseconds: Math.round((cpuLimitMillis * CPU_PERIOD_US) / 1000) }),
    cpuShares: Math.max(LEAST_SHARES, Math.round((cpuRequestMillis * SHARES_PER_CORE) / 1000)),
    ...(memoryLimitBytes === undefined ? {} : { memoryBytes: memoryLimitBytes }),
    ...(memorySwapLimitBytes === undefined ? {} : { memorySwapBytes: memorySwapLimitBytes }),
    ...(swapLimitBytes === undefined ? {} : { swapBytes: swapLimitBytes }),
    ...(memoryRequestBytes === undefined ? {} : { memoryReservationBytes: memoryRequestBytes }),
    ...(pidsLimit === undefined ? {} : { pids: pidsLimit }),
  };
}
