import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ContainerStats,
  ContainerStatus,
  CpuStats,
  MemoryStats,
  NetworkInterfaceStats,
  PodSandboxStats,
  PodSandboxStatus,
} from '@podwright/core';
import type { cri } from '@podwright/cri-api';
import { toNanoseconds } from '../mapping/nanoseconds.js';
import type { CpuRates } from './cpu-rates.js';

export type CriContainerStats = MessageInitShape<typeof cri.ContainerStatsSchema>;
export type CriSandboxStats = MessageInitShape<typeof cri.PodSandboxStatsSchema>;

/** What CNI plugins call the interface of a pod (`CNI_IFNAME`, as every CRI runtime sets it). */
const DEFAULT_INTERFACE = 'eth0';

/**
 * What a container uses; with its attributes alone where it does not run: containerd lists such containers so as well.
 * @param stats absent while nothing of it runs
 */
export function toCriContainerStats(
  { id, metadata, labels, annotations }: ContainerStatus,
  stats: ContainerStats | undefined,
  rates: CpuRates,
): CriContainerStats {
  const attributes = {
    id,
    metadata: { ...metadata },
    labels: { ...labels },
    annotations: { ...annotations },
  };
  if (stats === undefined) return { attributes };
  const timestamp = toNanoseconds(stats.timestampMs);
  const { mountpoint, usedBytes, inodesUsed } = stats.writableLayer;
  return {
    attributes,
    cpu: toCpu(id, stats, rates),
    memory: toMemory(stats.memory, timestamp),
    writableLayer: {
      timestamp,
      fsId: { mountpoint },
      usedBytes: uint64(usedBytes),
      inodesUsed: uint64(inodesUsed),
    },
    ...toSwap(stats.memory, timestamp),
  };
}

/** @param containers of this sandbox */
export function toCriSandboxStats(
  { id, metadata, labels, annotations }: PodSandboxStatus,
  stats: PodSandboxStats,
  containers: readonly ContainerStatus[],
  rates: CpuRates,
): CriSandboxStats {
  const timestamp = toNanoseconds(stats.timestampMs);
  const statsOf = new Map(stats.containers.map((one) => [one.id, one]));
  return {
    attributes: { id, metadata: { ...metadata }, labels: { ...labels }, annotations: { ...annotations } },
    linux: {
      cpu: toCpu(id, stats, rates),
      memory: toMemory(stats.memory, timestamp),
      ...(stats.network.length === 0 ? {} : { network: toNetwork(stats.network, timestamp) }),
      process: { timestamp, processCount: uint64(stats.pids) },
      containers: containers.map((one) => toCriContainerStats(one, statsOf.get(one.id), rates)),
    },
  };
}

/** `interfaces` are the others: the default one is not among them. */
function toNetwork(interfaces: readonly NetworkInterfaceStats[], timestamp: bigint) {
  const named = interfaces.find(({ name }) => name === DEFAULT_INTERFACE) ?? interfaces[0];
  return {
    timestamp,
    ...(named === undefined ? {} : { defaultInterface: toInterface(named) }),
    interfaces: interfaces.filter((one) => one !== named).map(toInterface),
  };
}

function toInterface({ name, rxBytes, rxErrors, txBytes, txErrors }: NetworkInterfaceStats) {
  return {
    name,
    rxBytes: uint64(rxBytes),
    rxErrors: uint64(rxErrors),
    txBytes: uint64(txBytes),
    txErrors: uint64(txErrors),
  };
}

function toCpu(
  id: string,
  { cpu: { usageNanoseconds }, timestampMs }: { readonly cpu: CpuStats; readonly timestampMs: number },
  rates: CpuRates,
) {
  const nanoCores = rates.nanoCores(id, usageNanoseconds, timestampMs);
  return {
    timestamp: toNanoseconds(timestampMs),
    usageCoreNanoSeconds: uint64(usageNanoseconds),
    // A kubelet computes it by itself where it is absent, and takes a 0 for the truth.
    ...(nanoCores === undefined ? {} : { usageNanoCores: uint64(nanoCores) }),
  };
}

function toMemory(memory: MemoryStats, timestamp: bigint) {
  const { availableBytes, rssBytes, pageFaults, majorPageFaults } = memory;
  return {
    timestamp,
    workingSetBytes: uint64(memory.workingSetBytes),
    usageBytes: uint64(memory.usageBytes),
    ...(availableBytes === undefined ? {} : { availableBytes: uint64(availableBytes) }),
    ...(rssBytes === undefined ? {} : { rssBytes: uint64(rssBytes) }),
    ...(pageFaults === undefined ? {} : { pageFaults: uint64(pageFaults) }),
    ...(majorPageFaults === undefined ? {} : { majorPageFaults: uint64(majorPageFaults) }),
  };
}

function toSwap({ swapUsageBytes, swapAvailableBytes }: MemoryStats, timestamp: bigint) {
  if (swapUsageBytes === undefined) return {};
  const available =
    swapAvailableBytes === undefined ? {} : { swapAvailableBytes: uint64(swapAvailableBytes) };
  return { swap: { timestamp, swapUsageBytes: uint64(swapUsageBytes), ...available } };
}

function uint64(value: number): { value: bigint } {
  return { value: BigInt(Math.max(0, Math.round(value))) };
}
