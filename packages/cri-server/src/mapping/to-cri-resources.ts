import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ContainerResources } from '@podwright/core';
import type { cri } from '@podwright/cri-api';

/** What the kernel's CFS quota is counted over, in microseconds; the kubelet's default too. */
export const CPU_PERIOD_US = 100_000;

/** CPU shares of a whole core (cgroup v1's cpu.shares). */
export const SHARES_PER_CORE = 1024;

/** The limit of swap on cgroup v2; kubelets since 1.32 send it with every container of such a host. */
export const SWAP_KEY = 'memory.swap.max';

/** Limits as the CRI has them; the counterpart of `toResources`. */
export function toCriResources({
  cpuLimitMillis,
  cpuRequestMillis,
  memoryLimitBytes,
  memorySwapLimitBytes,
  swapLimitBytes,
  cpusetCpus,
  cpusetMems,
  hugepageLimits,
  oomScoreAdj,
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
    ...(swapLimitBytes === undefined ? {} : { unified: { [SWAP_KEY]: String(swapLimitBytes) } }),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj: BigInt(oomScoreAdj) }),
    ...(cpusetCpus === undefined ? {} : { cpusetCpus }),
    ...(cpusetMems === undefined ? {} : { cpusetMems }),
    hugepageLimits: Object.entries(hugepageLimits ?? {}).map(([pageSize, limit]) => ({
      pageSize,
      limit: BigInt(limit),
    })),
  };
}
