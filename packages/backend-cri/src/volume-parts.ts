import { mkdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  type Mount,
  messageOf,
  PodwrightError,
  relativePathProblem,
} from '@podwright/core';
import { Mounter } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { BackendLayout, BackendLayoutToken } from './backend-layout.js';
import { openPart } from './open-part.js';

/** Parts of volumes (`Mount.subPath`), which the CRI does not have: each is bound to a place of the container's own. */
@injectable()
export class VolumeParts {
  constructor(
    @inject(BackendLayoutToken) private readonly layout: BackendLayout,
    @inject(Mounter) private readonly mounter: Mounter,
  ) {}

  /**
   * The mounts as the runtime gets them: parts from where they are going to be.
   * @throws PodwrightError kind `invalid-argument` for a part that is named outside of its volume
   */
  plan(key: string, mounts: readonly Mount[]): readonly Mount[] {
    return mounts.map((mount, index) => {
      const { subPath, ...whole } = mount;
      if (subPath === undefined || subPath === '') return whole;
      const problem = relativePathProblem(subPath);
      if (problem !== undefined) {
        throw new PodwrightError(
          'invalid-argument',
          `The subPath "${subPath}" of the mount at ${mount.containerPath} ${problem}.`,
          { details: { subPath } },
        );
      }
      return { ...whole, hostPath: this.place(key, index) };
    });
  }

  /** Something has to be in each place when the runtime looks at it. */
  async reserve(key: string, mounts: readonly Mount[]): Promise<void> {
    for (const [index, { subPath }] of mounts.entries()) {
      if (subPath) await mkdir(this.place(key, index), { recursive: true, mode: 0o700 });
    }
  }

  /** Binds the parts, right before the start. @throws PodwrightError kind `container-start-failed` */
  async bind(key: string, mounts: readonly Mount[], options: CallOptions): Promise<void> {
    for (const [index, { hostPath, subPath, containerPath }] of mounts.entries()) {
      if (!subPath) continue;
      try {
        await this.bindPart(hostPath, subPath, this.place(key, index), options);
      } catch (cause) {
        if (PodwrightError.is(cause, 'cancelled')) throw cause;
        throw new PodwrightError(
          'container-start-failed',
          `The part "${subPath}" of ${hostPath}, for ${containerPath}, cannot be mounted: ${messageOf(cause)}`,
          { cause },
        );
      }
    }
  }

  /** Idempotent. */
  async release(key: string): Promise<void> {
    const folder = this.layout.partsDir(key);
    await this.mounter.unmountTree(folder, { lazy: true });
    await rm(folder, { recursive: true, force: true });
  }

  private async bindPart(
    volume: string,
    subPath: string,
    place: string,
    options: CallOptions,
  ): Promise<void> {
    await this.mounter.unmountIfMounted(place);
    await using part = await openPart(volume, subPath);
    const wanted = await part.stat();
    if (!wanted.isDirectory()) {
      await rmdir(place);
      await writeFile(place, '');
    }
    // By the handle, which mount(8) would otherwise replace by the path that it has now.
    const source = `/proc/${process.pid}/fd/${part.fd}`;
    const { signal } = options;
    await this.mounter.mount(source, place, undefined, ['rbind'], {
      noCanonicalize: true,
      ...(signal ? { signal } : {}),
    });
    const mounted = await stat(place);
    if (mounted.ino === wanted.ino && mounted.dev === wanted.dev) return;
    await this.mounter.unmountIfMounted(place);
    throw new PodwrightError('internal', 'something else was mounted than was opened');
  }

  private place(key: string, index: number): string {
    return join(this.layout.partsDir(key), String(index));
  }
}
