import { readdirSync, readlinkSync } from 'node:fs';
import { readFile, stat, statfs } from 'node:fs/promises';
import { basename } from 'node:path';
import type { FilesystemDetail } from '@podwright/core';
import { HostExecutor, mountOf, parseMountInfo } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { HostNames } from './cgroup-detail.js';
import { ignoreMissing, isMissing } from './files.js';

const BYTES_PER_KIB = 1024;
const UNITS = ['KB', 'MB', 'GB'] as const;

/** Names of devices and file systems, looked up once for one reading of stats: they may be others at the next. */
export class DeviceNames implements HostNames {
  private readonly devices = new Map<string, string | undefined>();
  private readonly filesystems = new Map<number, Promise<FilesystemDetail | undefined>>();
  private pageSizes: readonly string[] | undefined;

  constructor(private readonly host: HostExecutor) {}

  /** As sysfs has it: `/dev/sda`. */
  deviceName(major: number, minor: number): string | undefined {
    const numbers = `${major}:${minor}`;
    if (!this.devices.has(numbers)) {
      const link = unlessMissing(() => readlinkSync(this.host.hostPath(`/sys/dev/block/${numbers}`)));
      // A slash in the name of a device stands as an exclamation mark.
      this.devices.set(numbers, link && `/dev/${basename(link).replaceAll('!', '/')}`);
    }
    return this.devices.get(numbers);
  }

  get hugepageSizes(): readonly string[] {
    this.pageSizes ??= (
      unlessMissing(() => readdirSync(this.host.hostPath('/sys/kernel/mm/hugepages'))) ?? []
    ).flatMap((name) => hugepageSize(name) ?? []);
    return this.pageSizes;
  }

  /** What a directory of the host lies on; undefined when it is gone. */
  async filesystem(path: string): Promise<FilesystemDetail | undefined> {
    const found = await ignoreMissing(stat(this.host.hostPath(path)));
    if (found === undefined) return undefined;
    let known = this.filesystems.get(found.dev);
    if (known === undefined) {
      known = this.readFilesystem(path);
      this.filesystems.set(found.dev, known);
    }
    return await known;
  }

  private async readFilesystem(path: string): Promise<FilesystemDetail | undefined> {
    const figures = await ignoreMissing(statfs(this.host.hostPath(path)));
    if (figures === undefined) return undefined;
    const mounts = parseMountInfo(await readFile(this.host.hostPath('/proc/1/mountinfo'), 'utf8'));
    const { bsize, blocks, files, ffree } = figures;
    return {
      device: mountOf(mounts, path)?.device ?? '',
      ...{ capacityBytes: blocks * bsize, inodes: files, inodesFree: ffree },
    };
  }
}

/** Makes the one of each reading. */
@injectable()
export class HostDevices {
  constructor(@inject(HostExecutor) private readonly host: HostExecutor) {}

  names(): DeviceNames {
    return new DeviceNames(this.host);
  }
}

/** `hugepages-2048kB` of sysfs is `2MB` in the names of files of cgroups. */
export function hugepageSize(name: string): string | undefined {
  const kib = /^hugepages-(\d+)kB$/.exec(name)?.[1];
  if (kib === undefined) return undefined;
  let size = Number(kib);
  let unit = 0;
  while (size >= BYTES_PER_KIB && unit < UNITS.length - 1) {
    size /= BYTES_PER_KIB;
    unit += 1;
  }
  return `${size}${UNITS[unit]}`;
}

function unlessMissing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
}
