import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ContainerResources } from '@podwright/core';
import type { cri } from '@podwright/cri-api';

/** What the kernel's CFS quota is counted over, in microseconds; the kubelet's default too. */
export const CPU_PERIOD_US = 100_000;

/** CPU shares of a whole core (cgroup v1's cpu.shares). */
export const SHARES_PER_CORE = 1024;

/**
 * Files of cgroup v2 for limits that the CRI has no field for. Kubelets since 1.32 send that of swap with every container of
 * a host with cgroup v2.
 */
export const UNIFIED_KEYS = { swapLimitBytes: 'memory.swap.max', pidsLimit: 'pids.max' } as const;

/** Limits as the CRI has them; the counterpart of `toResources`. */
export function toCriResources({
  cpuLimitMillis,
  cpuRequestMillis,
  memoryLimitBytes,
  memorySwapLimitBytes,
  cpusetCpus,
  cpusetMems,
  hugepageLimits,
  oomScoreAdj,
  ...others
}: ContainerResources): MessageInitShape<typeof cri.LinuxContainerResourcesSchema> {
  return {
    ...(cpuLimitMillis === undefined
      ? {}
      : {
          cpuPeriod: BigInt(CPU_PERIOD_US),
          cpuQuota: BigInt(Math.round((cpuLimitMillis * CPU_PERIOD_US) / 1000)),
        }),
    ...(cpuRequestMillis === undefined
      ? {}
      : { cpuShares: BigInt(Math.floor((cpuRequestMillis * SHARES_PER_CORE) / 1000)) }),
    ...(memoryLimitBytes === undefined ? {} : { memoryLimitInBytes: BigInt(memoryLimitBytes) }),
    ...(memorySwapLimitBytes === undefined ? {} : { memorySwapLimitInBytes: BigInt(memorySwapLimitBytes) }),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj: BigInt(oomScoreAdj) }),
    ...(cpusetCpus === undefined ? {} : { cpusetCpus }),
    ...(cpusetMems === undefined ? {} : { cpusetMems }),
    unified: unifiedOf(others),
    hugepageLimits: Object.entries(hugepageLimits ?? {}).map(([pageSize, limit]) => ({
      pageSize,
      limit: BigInt(limit),
    })),
  };
}

function unifiedOf({ swapLimitBytes, pidsLimit }: ContainerResources): Record<string, string> {
  return {
    ...(swapLimitBytes === undefined ? {} : { [UNIFIED_KEYS.swapLimitBytes]: String(swapLimitBytes) }),
    ...(pidsLimit === undefined ? {} : { [UNIFIED_KEYS.pidsLimit]: String(pidsLimit) }),
  };
}
