import type { ContainerResources } from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { invalid, unsupported } from './refusals.js';
import { CPU_PERIOD_US, SHARES_PER_CORE, UNIFIED_KEYS } from './to-cri-resources.js';

/**
 * A key of cgroup v2 that is taken and left to the backend. A kubelet sends `memory.oom.group` with every container of a
 * host with cgroup v2; the backend decides by itself what the kernel ends besides the process that was too large.
 */
const LEFT_TO_BACKEND = 'memory.oom.group';

/** Whether a container is to end as a whole when it has no memory left, which is taken and not carried out. */
export function asksForOomGroup(resources: cri.LinuxContainerResources | undefined): boolean {
  return resources?.unified[LEFT_TO_BACKEND] === '1';
}

/**
 * Limits of a container that is created. Zero and empty mean "not set" everywhere in this message, but for the OOM score.
 * @param what whose they are, for messages, e.g. `container web`
 * @throws PodwrightError kind `invalid-argument`, `unsupported`
 */
export function toResources(
  resources: cri.LinuxContainerResources | undefined,
  what: string,
): ContainerResources {
  if (resources === undefined) return {};
  return { ...limitsOf(resources, what), oomScoreAdj: Number(resources.oomScoreAdj) };
}

/**
 * A change of a container's limits: what is zero or empty stays.
 * @param before the limits as they are
 * @throws PodwrightError kind `invalid-argument`, `unsupported` (a limit is to be taken away)
 */
export function toResourcesChange(
  resources: cri.LinuxContainerResources | undefined,
  before: ContainerResources,
  what: string,
): ContainerResources {
  if (resources === undefined) return {};
  if (resources.cpuQuota < 0n && before.cpuLimitMillis !== undefined) {
    throw unsupported(
      'LinuxContainerResources.cpu_quota',
      `The CPU limit of ${what} cannot be taken away while it exists (cpu_quota ${resources.cpuQuota}): set a larger one.`,
    );
  }
  const { oomScoreAdj } = resources;
  return {
    ...limitsOf(resources, what),
    ...(oomScoreAdj === 0n ? {} : { oomScoreAdj: Number(oomScoreAdj) }),
  };
}

function limitsOf(resources: cri.LinuxContainerResources, what: string): ContainerResources {
  const { memoryLimitInBytes, memorySwapLimitInBytes, cpusetCpus, cpusetMems, hugepageLimits } = resources;
  if (memoryLimitInBytes < 0n) {
    throw invalid(`The memory limit of ${what} is ${memoryLimitInBytes}: it has to be a number of bytes.`);
  }
  return {
    ...cpuOf(resources, what),
    ...(memoryLimitInBytes === 0n ? {} : { memoryLimitBytes: Number(memoryLimitInBytes) }),
    // -1 is the kernel's word for no limit, which is what absent means here.
    ...(memorySwapLimitInBytes <= 0n ? {} : { memorySwapLimitBytes: Number(memorySwapLimitInBytes) }),
    ...unifiedOf(resources, what),
    ...(cpusetCpus === '' ? {} : { cpusetCpus }),
    ...(cpusetMems === '' ? {} : { cpusetMems }),
    ...(hugepageLimits.length === 0
      ? {}
      : {
          hugepageLimits: Object.fromEntries(
            hugepageLimits.map(({ pageSize, limit }) => [pageSize, Number(limit)]),
          ),
        }),
  };
}

function unifiedOf({ unified }: cri.LinuxContainerResources, what: string): ContainerResources {
  const { swapLimitBytes, pidsLimit } = UNIFIED_KEYS;
  const known: readonly string[] = [LEFT_TO_BACKEND, swapLimitBytes, pidsLimit];
  const refused = Object.keys(unified).filter((key) => !known.includes(key));
  if (refused.length > 0) {
    throw unsupported(
      'LinuxContainerResources.unified',
      `The keys ${refused.join(', ')} in "unified" of ${what} cannot be set: only systemd writes to the container's ` +
        "cgroup. Leave them out; of a kubelet's, turn off the feature gate MemoryQoS.",
    );
  }
  const limitOf = (key: string): number | undefined => {
    const { [key]: text = 'max' } = unified;
    if (text === 'max') return undefined;
    if (/^\d+$/.test(text)) return Number(text);
    throw invalid(
      `The key ${key} in "unified" of ${what} is "${text}": it has to be a whole number, or max.`,
    );
  };
  const [swap, pids] = [limitOf(swapLimitBytes), limitOf(pidsLimit)];
  return {
    ...(swap === undefined ? {} : { swapLimitBytes: swap }),
    ...(pids === undefined ? {} : { pidsLimit: pids }),
  };
}

function cpuOf({ cpuQuota, cpuPeriod, cpuShares }: cri.LinuxContainerResources, what: string) {
  if (cpuPeriod < 0n || cpuShares < 0n) {
    throw invalid(
      `The CPU period and the CPU shares of ${what} are ${cpuPeriod} and ${cpuShares}: neither can be negative.`,
    );
  }
  const period = cpuPeriod === 0n ? CPU_PERIOD_US : Number(cpuPeriod);
  const limit = cpuQuota > 0n ? Math.max(1, Math.round((Number(cpuQuota) * 1000) / period)) : undefined;
  // Rounded up, as the kubelet rounds down when it makes shares of a request: both see the same request.
  const request = cpuShares > 0n ? Math.ceil((Number(cpuShares) * 1000) / SHARES_PER_CORE) : undefined;
  return {
    ...(limit === undefined ? {} : { cpuLimitMillis: limit }),
    ...(request === undefined ? {} : { cpuRequestMillis: request }),
  };
}
