import type {
  ContainerResources,
  ContainerStats,
  FilesystemUsage,
  MemoryStats,
  PodSandboxStats,
} from '@podwright/core';
import { simulatedDetail, simulatedPodDetail } from './simulated-detail.js';
import type { SimulatedSandbox } from './simulated-sandbox.js';

/** Each process takes this much memory. */
const PROCESS_BYTES = 1024 * 1024;
/** What running takes of a core: a hundredth, so that there is something to see. */
const CPU_SHARE = 0.01;
const NANOSECONDS_PER_MS = 1_000_000;
/** What comes and goes by a pod's network while nothing is known of it. */
const NETWORK_BYTES_PER_SECOND = 100;
const PACKET_BYTES = 100;
/** What a program meets while it is loaded; one each second follows. */
const FIRST_PAGE_FAULTS = 100;

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
  /** Whether `detail` was asked for. */
  readonly detail: boolean;
}

/** Memory that this many processes take. */
export function simulatedMemoryBytes(processes: number): number {
  return processes * PROCESS_BYTES;
}

/** Numbers that behave like real ones: they are those of no process, and grow with time and with processes. */
export function simulatedStats(load: SimulatedLoad): ContainerStats {
  const { id, name, sandbox, nowMs, startedAtMs, processes, resources, writableLayer, detail } = load;
  const cpu = { usageNanoseconds: Math.round((nowMs - startedAtMs) * NANOSECONDS_PER_MS * CPU_SHARE) };
  const memory = {
    ...memoryStats(simulatedMemoryBytes(processes), resources.memoryLimitBytes),
    ...pageFaults(nowMs - startedAtMs),
  };
  return {
    ...{ id, name, sandboxId: sandbox.id, podUid: sandbox.config.metadata.uid, timestampMs: nowMs },
    ...{ cpu, memory, io: { readBytes: 0, writtenBytes: 0 }, pids: processes, writableLayer },
    ...(detail ? { detail: simulatedDetail(load, { cpu, memory }) } : {}),
  };
}

/** A pod uses what its containers do. */
export function simulatedPodStats(
  sandbox: SimulatedSandbox,
  containers: readonly ContainerStats[],
  nowMs: number,
  detail: boolean,
): PodSandboxStats {
  const sum = (of: (stats: ContainerStats) => number) => containers.reduce((all, each) => all + of(each), 0);
  const bytes = Math.round(((nowMs - sandbox.createdAtMs) / 1000) * NETWORK_BYTES_PER_SECOND);
  const packets = Math.ceil(bytes / PACKET_BYTES);
  const usage = {
    timestampMs: nowMs,
    cpu: { usageNanoseconds: sum(({ cpu }) => cpu.usageNanoseconds) },
    memory: {
      ...memoryStats(
        sum(({ memory }) => memory.usageBytes),
        sandbox.resources.memoryLimitBytes,
      ),
      ...pageFaults(nowMs - sandbox.createdAtMs),
    },
    io: { readBytes: 0, writtenBytes: 0 },
    pids: sum(({ pids }) => pids),
  };
  const eth0 = {
    ...{ name: 'eth0', rxBytes: bytes, rxPackets: packets, rxErrors: 0, rxDropped: 0 },
    ...{ txBytes: bytes, txPackets: packets, txErrors: 0, txDropped: 0 },
  };
  return {
    ...{ id: sandbox.id, metadata: sandbox.config.metadata },
    ...usage,
    network: sandbox.config.network === 'node' ? [] : [eth0],
    containers,
    ...(detail ? { detail: simulatedPodDetail(sandbox, usage) } : {}),
  };
}

/** None waits for a disk: there is none. */
function pageFaults(ageMs: number): Pick<MemoryStats, 'pageFaults' | 'majorPageFaults'> {
  return { pageFaults: FIRST_PAGE_FAULTS + Math.floor(ageMs / 1000), majorPageFaults: 0 };
}

function memoryStats(usageBytes: number, limitBytes: number | undefined): MemoryStats {
  return {
    workingSetBytes: usageBytes,
    usageBytes,
    ...(limitBytes === undefined ? {} : { availableBytes: Math.max(0, limitBytes - usageBytes) }),
    rssBytes: usageBytes,
  };
}
