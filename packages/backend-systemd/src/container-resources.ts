import {
  type ContainerResources,
  checkContainerResources,
  type PodAmount,
  parseCpuset,
  type UnsupportedField,
  unsupportedField,
} from '@podwright/core';
import { type UnitProperty, unitProperty } from '@podwright/systemd';
import { unsupportedFields } from './unsupported-fields.js';

/** Which cgroup hierarchy has the host's controllers. */
export type CgroupVersion = 1 | 2;

/**
 * What holds a limit of memory and swap together: a property of the unit; a file of the kernel's that systemd leaves
 * alone; nothing, as the host has no swap; or nothing, though it has.
 */
export type SwapControl = 'property' | 'file' | 'no-swap' | 'missing';

/** What of a host's cgroups decides which limits it can enforce. */
export interface CgroupAbilities {
  readonly version: CgroupVersion;
  readonly swap: SwapControl;
}

/** systemd counts for every container's unit what it uses; without these a host may have no counters of it. */
export const ACCOUNTING: readonly UnitProperty[] = [
  unitProperty('CPUAccounting', true),
  unitProperty('MemoryAccounting', true),
  unitProperty('TasksAccounting', true),
  unitProperty('IOAccounting', true),
];

/**
 * Limits and shares as properties of a unit; none for what is absent. Huge pages and the OOM score have no property:
 * see `checkResources`, and the container's OCI document.
 */
export function resourceProperties(resources: ContainerResources): readonly UnitProperty[] {
  const { cpuLimitMillis, cpuRequestMillis, memoryLimitBytes, memoryRequestBytes, pidsLimit } = resources;
  const { cpusetCpus, cpusetMems } = resources;
  const swapBytes = swapLimitOf(resources);
  return [
    ...(pidsLimit === undefined ? [] : [unitProperty('TasksMax', pidsLimit)]),
    ...(memoryLimitBytes === undefined ? [] : [unitProperty('MemoryMax', memoryLimitBytes)]),
    ...(memoryRequestBytes === undefined ? [] : [unitProperty('MemoryLow', memoryRequestBytes)]),
    ...(swapBytes === undefined ? [] : [unitProperty('MemorySwapMax', swapBytes)]),
    ...(cpuLimitMillis === undefined ? [] : [unitProperty('CPUQuotaPerSecUSec', cpuLimitMillis * 1000)]),
    // systemd's default weight, 100, is what a whole core gets. On cgroup v1 it makes shares of it: 100 are 1024.
    ...(cpuRequestMillis === undefined
      ? []
      : [unitProperty('CPUWeight', Math.min(10_000, Math.max(1, Math.round(cpuRequestMillis / 10))))]),
    ...(cpusetCpus === undefined ? [] : [unitProperty('AllowedCPUs', cpusetMask(cpusetCpus))]),
    ...(cpusetMems === undefined ? [] : [unitProperty('AllowedMemoryNodes', cpusetMask(cpusetMems))]),
  ];
}

/** What a slice has without an amount; of a weight systemd says so that it is not set. */
const UNLIMITED: Readonly<Record<PodAmount, UnitProperty>> = {
  cpuLimitMillis: unitProperty('CPUQuotaPerSecUSec', 'infinity'),
  cpuRequestMillis: unitProperty('CPUWeight', 'infinity'),
  memoryLimitBytes: unitProperty('MemoryMax', 'infinity'),
  memoryRequestBytes: unitProperty('MemoryLow', 0),
};

/** Takes limits and shares of a slice away. */
export function liftedProperties(lift: readonly PodAmount[]): readonly UnitProperty[] {
  return lift.map((amount) => UNLIMITED[amount]);
}

/** Swap alone, as systemd limits it. */
function swapLimitOf(resources: ContainerResources): number | undefined {
  const { memoryLimitBytes, memorySwapLimitBytes, swapLimitBytes } = resources;
  if (memorySwapLimitBytes === undefined || memoryLimitBytes === undefined) return swapLimitBytes;
  return memorySwapLimitBytes - memoryLimitBytes;
}

/** Bounds of the kernel for CPU shares on version 1. */
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/**
 * The same of a container's unit: version 1 has shares that are finer than weights, and systemd hands them on there.
 * Without a request a container gets the least, as in Kubernetes: others of its pod that ask for some come first.
 */
export function containerProperties(
  { cpuRequestMillis = 0, ...others }: ContainerResources,
  version: CgroupVersion,
): readonly UnitProperty[] {
  if (version === 2) return resourceProperties({ ...others, cpuRequestMillis });
  const shares = Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.round((cpuRequestMillis * 1024) / 1000)));
  return [...resourceProperties(others), unitProperty('CPUShares', shares)];
}

/**
 * Refuses what is wrong by itself, and what systemd cannot enforce on this host.
 * @param what whose they are, for messages
 * @throws PodwrightError kind `invalid-argument`, `unsupported`
 */
export function checkResources(
  resources: ContainerResources,
  { version, swap }: CgroupAbilities,
  what: string,
): void {
  checkContainerResources(resources, what);
  const { memorySwapLimitBytes, swapLimitBytes, cpusetCpus, cpusetMems, hugepageLimits = {} } = resources;
  const refuse = (field: UnsupportedField, limit: string, why: string): never => {
    throw unsupportedField(
      field,
      `The limit of ${limit} of ${what} cannot be enforced on this host: ${why}. Leave it out.`,
    );
  };
  if (Object.values(hugepageLimits).some((bytes) => bytes > 0)) {
    refuse(
      unsupportedFields.hugePages,
      'huge pages',
      "it takes the kernel's cgroup controller hugetlb, which systemd does not hand to units",
    );
  }
  if (memorySwapLimitBytes !== undefined && swap === 'missing') {
    refuse(
      unsupportedFields.swapLimit,
      'memory and swap (memorySwapLimitBytes)',
      "systemd's MemorySwapMax= takes the unified cgroup hierarchy (v2); this host has version 1, and swap, which its " +
        'kernel does not count there (swapaccount=1)',
    );
  }
  if (swapLimitBytes !== undefined && version === 1 && swap !== 'no-swap') {
    refuse(
      unsupportedFields.swapLimit,
      'swap alone (swapLimitBytes)',
      "systemd's MemorySwapMax= takes the unified cgroup hierarchy (v2), and this host has version 1, and swap",
    );
  }
  if (version === 2) return;
  if (cpusetCpus !== undefined || cpusetMems !== undefined) {
    refuse(
      unsupportedFields.cpusets,
      'cores and memory nodes (cpusetCpus, cpusetMems)',
      "systemd's AllowedCPUs= and AllowedMemoryNodes= take the cpuset controller of the unified cgroup hierarchy (v2), " +
        'and this host has version 1',
    );
  }
}

/** Bit n of byte n/8 stands for number n. */
function cpusetMask(list: string): Buffer {
  const numbers = parseCpuset(list) ?? [];
  const mask = Buffer.alloc(Math.floor((numbers.at(-1) ?? 0) / 8) + 1);
  for (const number of numbers) {
    const byte = Math.floor(number / 8);
    mask.writeUInt8(mask.readUInt8(byte) | (1 << (number % 8)), byte);
  }
  return mask;
}
