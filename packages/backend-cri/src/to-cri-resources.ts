import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ContainerResources, PodAmount } from '@podwright/core';
import type { cri } from '@podwright/cri-api';

/** What the kernel's CFS quota is counted over, in microseconds; the kubelet's default too. */
const CPU_PERIOD_US = 100_000;
/** The kernel takes no smaller quota. */
const LEAST_QUOTA_US = 1000;
/** Weight of a core and the least weight, as cgroup v1 and the CRI count it. */
const SHARES_PER_CORE = 1024;
const LEAST_SHARES = 2;

/** What the CRI says of a pod without an amount; it has no request of memory. */
export function liftedCriResources(lift: readonly PodAmount[]): {
  readonly [Name in 'cpuPeriod' | 'cpuQuota' | 'cpuShares' | 'memoryLimitInBytes']?: bigint;
} {
  return {
    ...(lift.includes('cpuLimitMillis') ? { cpuPeriod: BigInt(CPU_PERIOD_US), cpuQuota: -1n } : {}),
    ...(lift.includes('cpuRequestMillis') ? { cpuShares: BigInt(LEAST_SHARES) } : {}),
    ...(lift.includes('memoryLimitBytes') ? { memoryLimitInBytes: -1n } : {}),
  };
}

/** Limits as the CRI has them. Limits of processes and of swap alone go by the names of the unified hierarchy's files. */
export function toCriResources(
  resources: ContainerResources,
): MessageInitShape<typeof cri.LinuxContainerResourcesSchema> {
  const { cpuLimitMillis, cpuRequestMillis, memoryLimitBytes, memorySwapLimitBytes } = resources;
  const { oomScoreAdj, cpusetCpus = '', cpusetMems = '', hugepageLimits = {} } = resources;
  const { pidsLimit, swapLimitBytes } = resources;
  return {
    ...(cpuLimitMillis === undefined
      ? {}
      : {
          cpuPeriod: BigInt(CPU_PERIOD_US),
          cpuQuota: BigInt(Math.max(LEAST_QUOTA_US, Math.round((cpuLimitMillis * CPU_PERIOD_US) / 1000))),
        }),
    ...(cpuRequestMillis === undefined
      ? {}
      : {
          cpuShares: BigInt(Math.max(LEAST_SHARES, Math.floor((cpuRequestMillis * SHARES_PER_CORE) / 1000))),
        }),
    ...(memoryLimitBytes === undefined ? {} : { memoryLimitInBytes: BigInt(memoryLimitBytes) }),
    ...(memorySwapLimitBytes === undefined ? {} : { memorySwapLimitInBytes: BigInt(memorySwapLimitBytes) }),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj: BigInt(oomScoreAdj) }),
    cpusetCpus,
    cpusetMems,
    hugepageLimits: Object.entries(hugepageLimits).map(([pageSize, limit]) => ({
      pageSize,
      limit: BigInt(limit),
    })),
    unified: {
      ...(pidsLimit === undefined ? {} : { 'pids.max': String(pidsLimit) }),
      ...(swapLimitBytes === undefined ? {} : { 'memory.swap.max': String(swapLimitBytes) }),
    },
  };
}
