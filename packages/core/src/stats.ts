import type { CallOptions } from './call-options.js';
import type { PodSandboxMetadata } from './sandbox-types.js';
import type { StatsDetail } from './stats-detail.js';

export interface StatsOptions extends CallOptions {
  /** Whether `detail` is read too, which takes longer than the rest; default false. */
  readonly detail?: boolean;
}

export interface CpuStats {
  /** Time used since the container's cgroup was made, over all cores, in nanoseconds. */
  readonly usageNanoseconds: number;
}

export interface MemoryStats {
  /** What cannot be given back under pressure: usage less the inactive file cache, as the kubelet counts. */
  readonly workingSetBytes: number;
  readonly usageBytes: number;
  /** Limit less working set; absent without a limit. */
  readonly availableBytes?: number;
  readonly rssBytes?: number;
  /** Accesses for which a page had to be brought in, and those of them that waited for a disk. Absent where not counted. */
  readonly pageFaults?: number;
  readonly majorPageFaults?: number;
  /** Memory that lies in swap space; absent where the host does not account for it. */
  readonly swapUsageBytes?: number;
  /** Limit of swap space less its use; absent without a limit. */
  readonly swapAvailableBytes?: number;
}

/** Bytes read from and written to block devices. */
export interface IoStats {
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export interface FilesystemUsage {
  /** Directory on the host that was measured. */
  readonly mountpoint: string;
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

export interface NetworkInterfaceStats {
  /** Name inside the pod, e.g. `eth0`. */
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
  /** Whole packets, and those that were given up though nothing was wrong with them. Absent where not told. */
  readonly rxPackets?: number;
  readonly rxDropped?: number;
  readonly txPackets?: number;
  readonly txDropped?: number;
}

/** What a running container uses now. */
export interface ContainerStats {
  readonly id: string;
  readonly sandboxId: string;
  readonly podUid: string;
  readonly name: string;
  readonly timestampMs: number;
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  /** Absent where the host's cgroups do not count it. */
  readonly io?: IoStats;
  readonly pids: number;
  readonly writableLayer: FilesystemUsage;
  /** There when it was asked for, and the backend has it. */
  readonly detail?: StatsDetail;
}

/** What a ready sandbox uses now, its containers included. */
export interface PodSandboxStats {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly timestampMs: number;
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  readonly io?: IoStats;
  readonly pids: number;
  /** Without the loopback interface; empty with the node's network. */
  readonly network: readonly NetworkInterfaceStats[];
  readonly containers: readonly ContainerStats[];
  /** There when it was asked for, and the backend has it; without `processes` and `filesystem`. */
  readonly detail?: StatsDetail;
}
