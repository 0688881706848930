import { chmod, chown, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  KeyedMutex,
  Logger,
  messageOf,
  type Pod,
  PodwrightError,
  quantityBytes,
  systemErrorCode,
  systemErrorKind,
  throwIfAborted,
  UndoStack,
  type Volume,
  type VolumeFile,
  VolumeProvider,
  type VolumeSetUpOptions,
  type VolumeUsage,
} from '@podwright/core';
import { HostExecutor, isAtOrBelow, Mounter } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { writeVolume } from './atomic-volume.js';
import { DiskUsage } from './disk-usage.js';
import { checkHostPath } from './host-path-check.js';
import { otherSize, sizeOption } from './tmpfs-size.js';
import { followGroup, followOwner } from './volume-group.js';
import { VolumeImages } from './volume-images.js';
import { directoryMode, type VolumeOwnership, volumeOwnership, writableMode } from './volume-ownership.js';
import { VolumePaths } from './volume-paths.js';

/** A remount needs them too: it takes away what is left out. */
const TMPFS_OPTIONS = ['nosuid', 'nodev'];

/** What making one volume needs beside the volume. */
interface Making {
  readonly uid: string;
  readonly owner: VolumeOwnership;
  readonly options: VolumeSetUpOptions;
  readonly undo: UndoStack;
}

/**
 * Volumes on the backend's host. A disk-backed emptyDir lies under the state directory and lives as long as its pod; one
 * in memory is a tmpfs of its own. What is made of ConfigMaps, Secrets and fields of the pod lies on one tmpfs for each
 * pod, which only root can enter: containers are shown the volume itself.
 */
@injectable()
export class HostVolumeProvider implements VolumeProvider {
  /** By pod: two calls that change the same content would get into each other's way. */
  private readonly mutex = new KeyedMutex();

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(Mounter) private readonly mounter: Mounter,
    @inject(VolumeImages) private readonly images: VolumeImages,
    @inject(DiskUsage) private readonly disk: DiskUsage,
    @inject(VolumePaths) private readonly layout: VolumePaths,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async setUp(pod: Pod, options: VolumeSetUpOptions = {}): Promise<ReadonlyMap<string, string>> {
    const { uid } = pod.metadata;
    return this.mutex.run(uid, () => this.setUpLocked(pod, options), options.signal);
  }

  private async setUpLocked(pod: Pod, options: VolumeSetUpOptions): Promise<ReadonlyMap<string, string>> {
    const paths = new Map<string, string>();
    // Only what this call makes: a pod that runs may have had its volumes before.
    const undo = new UndoStack();
    const owner = volumeOwnership(pod);
    try {
      for (const volume of pod.spec.volumes) {
        throwIfAborted(options.signal);
        paths.set(volume.name, await this.make(volume, { uid: pod.metadata.uid, owner, options, undo }));
      }
      return paths;
    } catch (error) {
      for (const { what, error: cause } of await undo.undo()) {
        this.logger.error(
          `After a volume of a pod failed, ${what} could not be removed: ${messageOf(cause)}`,
        );
      }
      throw error;
    }
  }

  async update(
    { metadata: { uid }, spec }: Pod,
    volume: string,
    files: readonly VolumeFile[],
    options: CallOptions = {},
  ): Promise<void> {
    const path = join(this.layout.objectVolumesDir, uid, volume);
    const shared = spec.securityContext.fsGroup !== undefined;
    await this.mutex.run(
      uid,
      async () => {
        const seen = this.host.hostPath(path);
        const owner = await ignoreMissing(stat(seen));
        if (owner === undefined) {
          throw new PodwrightError('not-found', `The pod ${uid} has no volume ${volume} made of objects.`, {
            details: { uid, volume },
          });
        }
        await this.write(volume, seen, files, { uid: owner.uid, gid: owner.gid, shared });
      },
      options.signal,
    );
  }

  async usage(podUid: string, options: CallOptions = {}): Promise<readonly VolumeUsage[]> {
    const images = new Set((await this.images.list()).map(({ target }) => target));
    const found: { name: string; path: string }[] = [];
    for (const parent of this.directoriesOf(podUid)) {
      for (const name of (await ignoreMissing(readdir(this.host.hostPath(parent)))) ?? []) {
        const path = join(parent, name);
        if (!name.startsWith('.') && !images.has(path)) found.push({ name, path });
      }
    }
    const usage = await this.disk.of(
      found.map(({ path }) => path),
      options,
    );
    return found.flatMap(({ name, path }) => {
      const used = usage.get(path);
      return used === undefined ? [] : [{ name, ...used }];
    });
  }

  async pods(): Promise<readonly string[]> {
    const { objectVolumesDir, memoryVolumesDir, volumesDir } = this.layout;
    const lists = [objectVolumesDir, memoryVolumesDir, volumesDir].map(
      async (directory) => (await ignoreMissing(readdir(this.host.hostPath(directory)))) ?? [],
    );
    return [...new Set((await Promise.all(lists)).flat())];
  }

  async tearDown(podUid: string, options: CallOptions = {}): Promise<void> {
    await this.mutex.run(
      podUid,
      async () => {
        const directories = this.directoriesOf(podUid);
        for (const { target } of await this.images.list()) {
          if (directories.some((directory) => isAtOrBelow(target, directory))) {
            await this.images.unmount(target, options);
          }
        }
        for (const directory of directories) await this.removeTree(directory, options);
      },
      options.signal,
    );
  }

  private directoriesOf(podUid: string): readonly string[] {
    const { objectVolumesDir, memoryVolumesDir, volumesDir } = this.layout;
    return [objectVolumesDir, memoryVolumesDir, volumesDir].map((directory) => join(directory, podUid));
  }

  /**
   * What is mounted there is unmounted first: tmpfs of our own, and what a container with a bidirectional mount left.
   * Should that fail nothing is removed, because it would be the content of something else.
   */
  private async removeTree(path: string, options: CallOptions): Promise<void> {
    await this.mounter.unmountTree(path, options);
    await rm(this.host.hostPath(path), { recursive: true, force: true });
  }

  private async make(volume: Volume, making: Making): Promise<string> {
    const { name, hostPath, emptyDir, image } = volume;
    if (hostPath) return await checkHostPath(this.host, name, hostPath);
    if (emptyDir) return await this.makeEmptyDir(name, emptyDir, making);
    if (image) return await this.mountImage(name, image.reference, making);
    const files = making.options.files?.get(name);
    if (files !== undefined) return await this.makeObjectVolume(name, files, making);
    throw new PodwrightError('internal', `Volume "${name}": its files were not given.`);
  }

  private async makeEmptyDir(
    name: string,
    { medium, sizeLimit }: NonNullable<Volume['emptyDir']>,
    making: Making,
  ): Promise<string> {
    const { uid, owner } = making;
    if (medium === 'Memory') {
      const path = join(this.layout.memoryVolumesDir, uid, name);
      await this.makeDirectory(this.layout.memoryVolumesDir, path, making);
      const sizeBytes = sizeLimit === undefined ? undefined : quantityBytes(sizeLimit);
      const present = await this.mounter.getMount(path);
      if (present === undefined) {
        const size = sizeBytes === undefined ? [] : [sizeOption(sizeBytes)];
        await this.mountTmpfs(path, writableMode(owner), [...ownerOptions(owner), ...size], making.options);
        return path;
      }
      const size = otherSize(present.superOptions, sizeBytes);
      if (size !== undefined) await this.resizeTmpfs(name, path, size, making.options);
      await followGroup(this.host.hostPath(path), owner);
      return path;
    }
    const path = join(this.layout.volumesDir, uid, name);
    await this.makeOwned(this.layout.volumesDir, path, writableMode(owner), making);
    await followGroup(this.host.hostPath(path), owner);
    return path;
  }

  private async makeObjectVolume(
    name: string,
    files: readonly VolumeFile[],
    making: Making,
  ): Promise<string> {
    const { uid, owner, options } = making;
    const parent = join(this.layout.objectVolumesDir, uid);
    await this.makeDirectory(this.layout.objectVolumesDir, parent, making);
    if (!(await this.mounter.isMountPoint(parent))) await this.mountTmpfs(parent, 0o700, [], options);
    const path = join(parent, name);
    await this.makeOwned(this.layout.objectVolumesDir, path, directoryMode(owner), making);
    await followOwner(this.host.hostPath(path), owner);
    await this.write(name, this.host.hostPath(path), files, owner);
    return path;
  }

  private async write(
    name: string,
    seen: string,
    files: readonly VolumeFile[],
    owner: VolumeOwnership,
  ): Promise<void> {
    try {
      await writeVolume(seen, files, owner);
    } catch (cause) {
      if (PodwrightError.is(cause)) throw cause;
      const kind = systemErrorKind(cause) ?? 'internal';
      throw new PodwrightError(kind, `Volume "${name}" could not be written: ${messageOf(cause)}`, { cause });
    }
  }

  private async mountImage(name: string, reference: string, { uid, options, undo }: Making): Promise<string> {
    const path = join(this.layout.memoryVolumesDir, uid, name);
    const there = (await this.images.list()).find(({ target }) => target === path);
    const former = there?.reference ?? reference;
    if (there && former === reference) return path;
    if (there) {
      // Containers that have the files of the former image keep them until they end.
      await this.images.unmount(path, options);
      undo.push(`the image that was at ${path}`, async () => void (await this.images.mount(former, path)));
    }
    await this.images.mount(reference, path, options);
    undo.push(`the image at ${path}`, () => this.images.unmount(path));
    return path;
  }

  /** A directory with its owner and mode from the beginning, so that no crash leaves it without. */
  private async makeOwned(top: string, path: string, mode: number, making: Making): Promise<void> {
    if (await this.isThere(path)) return;
    const { owner } = making;
    const fresh = join(path, '..', `.${path.slice(path.lastIndexOf('/') + 1)}.new`);
    const seen = this.host.hostPath(fresh);
    await this.makeDirectory(top, fresh, making);
    making.undo.push(`the directory ${path}`, () => this.removeTree(path, {}));
    await chown(seen, owner.uid, owner.gid);
    await chmod(seen, mode);
    await rename(seen, this.host.hostPath(path));
  }

  private async isThere(path: string): Promise<boolean> {
    return await stat(this.host.hostPath(path)).then(
      () => true,
      (error: unknown) => {
        if (isMissing(error)) return false;
        throw error;
      },
    );
  }

  private async makeDirectory(top: string, path: string, { undo }: Making): Promise<void> {
    // Apart, because it is not undone: other pods have theirs there.
    await mkdir(this.host.hostPath(top), { recursive: true });
    const seen = this.host.hostPath(path);
    const first = await mkdir(seen, { recursive: true });
    if (first === undefined) return;
    // Removed from the first directory made, so that nothing is left of a pod that never had a volume.
    const made = path.slice(0, path.length - (seen.length - first.length));
    undo.push(`the directory ${made}`, () => this.removeTree(made, {}));
  }

  private async mountTmpfs(
    path: string,
    mode: number,
    more: readonly string[],
    options: CallOptions,
  ): Promise<void> {
    const bits = `mode=${mode.toString(8).padStart(4, '0')}`;
    await this.mounter.mount('tmpfs', path, 'tmpfs', [bits, ...TMPFS_OPTIONS, ...more], options);
  }

  /** With its content, also for containers that have it mounted. */
  private async resizeTmpfs(name: string, path: string, size: string, options: CallOptions): Promise<void> {
    try {
      await this.mounter.mount('tmpfs', path, 'tmpfs', ['remount', ...TMPFS_OPTIONS, size], options);
    } catch (cause) {
      if (!PodwrightError.is(cause, 'command-failed')) throw cause;
      throw new PodwrightError(
        'failed-precondition',
        `Volume "${name}" cannot get its new size limit (${size}): ${messageOf(cause)}. If it holds more than that, remove some of it or raise the limit.`,
        { cause, details: { path } },
      );
    }
  }
}

function isMissing(error: unknown): boolean {
  return systemErrorCode(error) === 'ENOENT';
}

async function ignoreMissing<T>(done: Promise<T>): Promise<T | undefined> {
  return await done.catch((error: unknown) => {
    if (!isMissing(error)) throw error;
    return undefined;
  });
}

function ownerOptions({ uid, gid }: VolumeOwnership): readonly string[] {
  return [...(uid === 0 ? [] : [`uid=${uid}`]), ...(gid === 0 ? [] : [`gid=${gid}`])];
}
