import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { systemErrorCode } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { readHostFacts } from '@podwright/oci';
import { slicePath } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { type CgroupDetail, type HostNames, readCgroupDetail } from './cgroup-detail.js';
import {
  type CgroupUsage,
  cgroupFile,
  type ReadCgroupFile,
  readCgroupUsage,
  readMemoryLimit,
} from './cgroup-stats.js';
import type { ContainerRecord } from './container-record.js';
import type { CgroupVersion, SwapControl } from './container-resources.js';
import { isMissing, readNow } from './files.js';
import { containerUnitName } from './host-layout.js';

/** Of memory and swap together; the root's own is there where the kernel counts swap. */
const SWAP_LIMIT = 'memory.memsw.limit_in_bytes';

/** The host's cgroups, as systemd lays them out: one for each unit below that of its slice. */
@injectable()
export class CgroupTree {
  private known: Promise<CgroupVersion> | undefined;

  constructor(@inject(HostExecutor) private readonly host: HostExecutor) {}

  /** @throws PodwrightError kind `missing-requirement` */
  version(): Promise<CgroupVersion> {
    this.known ??= readHostFacts(this.host).then(
      ({ cgroupVersion }) => cgroupVersion,
      (error: unknown) => {
        this.known = undefined;
        throw error;
      },
    );
    return this.known;
  }

  /** What limits of memory and swap together can be held by here; looked at anew each time, as swap comes and goes. */
  async swapControl(): Promise<SwapControl> {
    const version = await this.version();
    if (version === 2) return 'property';
    if (this.read(cgroupFile(version, 'memory', '', SWAP_LIMIT)) !== undefined) return 'file';
    // A line of headings, and one for each.
    const swaps = (this.read('/proc/swaps') ?? '').trim().split('\n');
    return swaps.length > 1 ? 'missing' : 'no-swap';
  }

  /** Sets what a container's processes may have of memory and swap together, of version 1 alone; undefined: all. */
  async setSwapLimit(record: ContainerRecord, bytes: number | undefined): Promise<void> {
    const path = cgroupFile(1, 'memory', this.containerPath(record), SWAP_LIMIT);
    await writeFile(this.host.hostPath(path), String(bytes ?? -1), { flag: 'r+' });
  }

  containerPath({ id, slice }: Pick<ContainerRecord, 'id' | 'slice'>): string {
    return `${slicePath(slice)}/${containerUnitName(id)}`;
  }

  /** What a cgroup uses; undefined when it is not there. @param path from `containerPath` or `slicePath` */
  async usage(path: string): Promise<CgroupUsage | undefined> {
    return readCgroupUsage(await this.version(), path, this.read);
  }

  /** The same with more; the files that both take are read once. */
  async detailedUsage(
    path: string,
    names: HostNames,
  ): Promise<{ readonly usage: CgroupUsage; readonly detail: CgroupDetail } | undefined> {
    const version = await this.version();
    const texts = new Map<string, string | undefined>();
    const read: ReadCgroupFile = (file) => {
      if (!texts.has(file)) texts.set(file, this.read(file));
      return texts.get(file);
    };
    const usage = readCgroupUsage(version, path, read);
    return usage && { usage, detail: readCgroupDetail(version, path, read, names) };
  }

  /** Ids of the processes of a cgroup and of those below it: a container may have made some. */
  async allProcesses(path: string): Promise<readonly number[]> {
    const folder = this.host.hostPath(cgroupFile(await this.version(), 'memory', path, ''));
    const below = await Promise.all(subfolders(folder).map((name) => this.allProcesses(`${path}/${name}`)));
    return [...(await this.processes(path)), ...below.flat()];
  }

  /** Ids of the processes of a cgroup itself; empty when it is not there. */
  async processes(path: string): Promise<readonly number[]> {
    // Every controller of version 1 has the same ones.
    const text = this.read(cgroupFile(await this.version(), 'memory', path, 'cgroup.procs')) ?? '';
    return text.split('\n').filter(Boolean).map(Number);
  }

  async memoryLimit(path: string): Promise<number | undefined> {
    return readMemoryLimit(await this.version(), path, this.read);
  }

  /** Read at once, without a turn of the event loop for each: the kernel makes these few words on the spot. */
  private readonly read: ReadCgroupFile = (path) => {
    try {
      return readNow(this.host.hostPath(path));
    } catch (error) {
      // The cgroup went away while its file was open.
      if (systemErrorCode(error) === 'ENODEV') return undefined;
      throw error;
    }
  };
}

function subfolders(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
