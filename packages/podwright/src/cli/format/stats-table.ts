import type { ContainerStats, CpuStats, MemoryStats, PodStats } from '@podwright/core';
import { formatBytes } from './quantities.js';
import { formatTable } from './table.js';

const HEADER = ['POD', 'CONTAINER', 'CPU', 'MEMORY', 'READ', 'WRITTEN', 'PIDS', 'RECEIVED', 'SENT', 'DISK'];
/** Where a pod or a container has none of its own, and where nothing is known yet. */
const NONE = '-';

/**
 * A line for each pod, and one below it for each of its containers.
 * @param before what was read before, for the share of a core that was used since; absent: the share is not known yet
 */
export function formatStats(pods: readonly PodStats[], before: readonly PodStats[] = []): string {
  const earlier = new Map(
    before.flatMap((pod) => [pod, ...pod.containers]).map((stats) => [stats.id, stats]),
  );
  return formatTable([HEADER, ...pods.flatMap((pod) => rowsOf(pod, earlier))]);
}

type Reading = { readonly timestampMs: number; readonly cpu: CpuStats };

function rowsOf(pod: PodStats, earlier: ReadonlyMap<string, Reading>): readonly (readonly string[])[] {
  const { metadata, network, volumes, containers } = pod;
  const total = (values: readonly number[]) => formatBytes(values.reduce((sum, value) => sum + value, 0));
  const layers = containers.map(({ writableLayer }) => writableLayer.usedBytes);
  return [
    [
      `${metadata.namespace}/${metadata.name}`,
      NONE,
      ...usageCells(pod, earlier.get(pod.id)),
      ...(network.length === 0
        ? [NONE, NONE]
        : [total(network.map(({ rxBytes }) => rxBytes)), total(network.map(({ txBytes }) => txBytes))]),
      total([...layers, ...volumes.map(({ usedBytes }) => usedBytes)]),
    ],
    ...containers
      .toReversed()
      .map((container) => [
        '',
        container.name,
        ...usageCells(container, earlier.get(container.id)),
        NONE,
        NONE,
        formatBytes(container.writableLayer.usedBytes),
      ]),
  ];
}

function usageCells(stats: PodStats | ContainerStats, before: Reading | undefined): readonly string[] {
  const { memory, io, pids } = stats;
  return [
    cpuShare(stats, before),
    memoryCell(memory),
    io === undefined ? NONE : formatBytes(io.readBytes),
    io === undefined ? NONE : formatBytes(io.writtenBytes),
    String(pids),
  ];
}

/** Of a core, in percent: two cores at work are 200 %. A container that was restarted meanwhile begins anew. */
function cpuShare({ timestampMs, cpu }: Reading, before: Reading | undefined): string {
  if (before === undefined || timestampMs <= before.timestampMs) return NONE;
  const usedMs = (cpu.usageNanoseconds - before.cpu.usageNanoseconds) / 1_000_000;
  return usedMs < 0 ? NONE : `${((100 * usedMs) / (timestampMs - before.timestampMs)).toFixed(1)} %`;
}

function memoryCell({ workingSetBytes, availableBytes }: MemoryStats): string {
  const used = formatBytes(workingSetBytes);
  return availableBytes === undefined ? used : `${used} / ${formatBytes(workingSetBytes + availableBytes)}`;
}
