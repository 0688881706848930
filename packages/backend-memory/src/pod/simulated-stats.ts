import type {
  ContainerResources,
  ContainerStats,
  FilesystemUsage,
  MemoryStats,
  PodSandboxStats,
} from '@podwright/core';
import type { SimulatedSandbox } from './simulated-sandbox.js';

/** Each process takes this much memory. */
const PROCESS_BYTES = 1024 * 1024;
/** What running takes of a core: a hundredth, so that there is something to see. */
const CPU_SHARE = 0.01;
const NANOSECONDS_PER_MS = 1_000_000;
/** What comes and goes by a pod's network while nothing is known of it. */
const NETWORK_BYTES_PER_SECOND = 100;

/** What the numbers of a container are made of. */
export interface SimulatedLoad {
  readonly id: string;
  readonly name: string;
  readonly sandbox: SimulatedSandbox;
  readonly nowMs: number;
  readonly startedAtMs: number;
  readonly processes: number;
  readonly resources: ContainerResources;
  readonly writableLayer: FilesystemUsage;
}

/** Memory that this many processes take. */
export function simulatedMemoryBytes(processes: number): number {
  return processes * PROCESS_BYTES;
}

/** Numbers that behave like real ones: they are those of no process, and grow with time and with processes. */
export function simulatedStats(load: SimulatedLoad): ContainerStats {
  const { id, name, sandbox, nowMs, startedAtMs, processes, resources, writableLayer } = load;
  return {
    ...{ id, name, sandboxId: sandbox.id, podUid: sandbox.config.metadata.uid, timestampMs: nowMs },
    cpu: { usageNanoseconds: Math.round((nowMs - startedAtMs) * NANOSECONDS_PER_MS * CPU_SHARE) },
    memory: memoryStats(simulatedMemoryBytes(processes), resources.memoryLimitBytes),
    io: { readBytes: 0, writtenBytes: 0 },
    pids: processes,
    writableLayer,
  };
}

/** A pod uses what its containers do. */
export function simulatedPodStats(
  sandbox: SimulatedSandbox,
  containers: readonly ContainerStats[],
  nowMs: number,
): PodSandboxStats {
  const sum = (of: (stats: ContainerStats) => number) => containers.reduce((all, each) => all + of(each), 0);
  const bytes = Math.round(((nowMs - sandbox.createdAtMs) / 1000) * NETWORK_BYTES_PER_SECOND);
  return {
    ...{ id: sandbox.id, metadata: sandbox.config.metadata, timestampMs: nowMs },
    cpu: { usageNanoseconds: sum(({ cpu }) => cpu.usageNanoseconds) },
    memory: memoryStats(
      sum(({ memory }) => memory.usageBytes),
      sandbox.resources.memoryLimitBytes,
    ),
    io: { readBytes: 0, writtenBytes: 0 },
    pids: sum(({ pids }) => pids),
    network:
      sandbox.config.network === 'node'
        ? []
        : [{ name: 'eth0', rxBytes: bytes, rxErrors: 0, txBytes: bytes, txErrors: 0 }],
    containers,
  };
}

function memoryStats(usageBytes: number, limitBytes: number | undefined): MemoryStats {
  return {
    workingSetBytes: usageBytes,
    usageBytes,
    ...(limitBytes === undefined ? {} : { availableBytes: Math.max(0, limitBytes - usageBytes) }),
    rssBytes: usageBytes,
  };
}
