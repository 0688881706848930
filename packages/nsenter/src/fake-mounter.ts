import { PodwrightError } from '@podwright/core';
import { isAtOrBelow, type Mount, mountAt, mountOf, mountRefs } from './mount-info.js';
import type { CleanUpOptions, MountCallOptions, Mounter, Propagation } from './mounter.js';

export interface FakeMounterOptions {
  /** Called before anything is done, with what `actions` will say; its error is the call's. */
  readonly before?: (action: string) => void | Promise<void>;
}

/** A Mounter for tests: a mount table in memory, with / mounted. It follows no links and touches no file. */
export class FakeMounter implements Mounter {
  /** What was done, as `mount tmpfs tmpfs /path mode=0700,private` (type, source), `unmount /path`, `shared /path`. */
  readonly actions: string[] = [];
  readonly #table: Mount[] = [];
  #lastId = 0;

  constructor(private readonly options: FakeMounterOptions = {}) {
    this.add('/');
  }

  /** Puts a mount into the table, as somebody else's. */
  add(path: string, fields: Partial<Mount> = {}): void {
    const id = ++this.#lastId;
    this.#table.push({
      id,
      parentId: mountOf(this.#table, path)?.id ?? 0,
      deviceNumber: `0:${id}`,
      device: 'tmpfs',
      root: '/',
      path,
      type: 'tmpfs',
      options: ['rw'],
      superOptions: ['rw'],
      propagation: { unbindable: false },
      ...fields,
    });
  }

  async list(): Promise<readonly Mount[]> {
    return [...this.#table];
  }

  async mount(
    source: string,
    target: string,
    fstype: string | undefined,
    options: readonly string[] = [],
    _: MountCallOptions = {},
  ): Promise<void> {
    await this.#act(`mount ${fstype ?? 'none'} ${source} ${target} ${options.join(',')}`.trim());
    if (options.includes('remount')) return this.#remount(target, options);
    const isBind = options.includes('bind') || options.includes('rbind');
    const original = isBind ? mountOf(this.#table, source) : undefined;
    const inMount =
      original === undefined ? '' : source.slice(original.path === '/' ? 0 : original.path.length);
    this.add(target, {
      device: original?.device ?? source,
      type: original?.type ?? fstype ?? 'none',
      ...(original === undefined
        ? {}
        : { deviceNumber: original.deviceNumber, root: `${original.root}${inMount}`.replace('//', '/') }),
      options: options.includes('ro') ? ['ro'] : ['rw'],
      superOptions: superOptionsOf(options),
      propagation: propagationOf(options.some((option) => option === 'shared' || option === 'rshared')),
    });
  }

  async setPropagation(target: string, propagation: Propagation): Promise<void> {
    await this.#act(`${propagation} ${target}`);
    const index = this.#table.findLastIndex(({ path }) => path === target);
    const mount = this.#table[index] ?? notMounted(target);
    this.#table[index] = { ...mount, propagation: propagationOf(propagation.endsWith('shared')) };
  }

  async unmount(target: string): Promise<void> {
    await this.#act(`unmount ${target}`);
    const index = this.#table.findLastIndex(({ path }) => path === target);
    if (index < 0) notMounted(target);
    this.#table.splice(index, 1);
  }

  async unmountIfMounted(target: string): Promise<boolean> {
    return (await this.#unmountAll(({ path }) => path === target)).length > 0;
  }

  unmountTree(path: string): Promise<readonly string[]> {
    return this.#unmountAll((mount) => isAtOrBelow(mount.path, path));
  }

  async cleanUpMountPoint(path: string, _: CleanUpOptions = {}): Promise<void> {
    await this.unmountIfMounted(path);
  }

  async isLikelyNotMountPoint(path: string): Promise<boolean> {
    return mountAt(this.#table, path) === undefined;
  }

  async isMountPoint(path: string): Promise<boolean> {
    return mountAt(this.#table, path) !== undefined;
  }

  async getMount(path: string): Promise<Mount | undefined> {
    return mountAt(this.#table, path);
  }

  async getMountRefs(path: string): Promise<readonly string[]> {
    return mountRefs(this.#table, path);
  }

  async #unmountAll(fits: (mount: Mount) => boolean): Promise<readonly string[]> {
    const paths = this.#table.filter(fits).map(({ path }) => path);
    for (const path of paths.reverse()) await this.unmount(path);
    return paths;
  }

  #remount(target: string, options: readonly string[]): void {
    const index = this.#table.findLastIndex(({ path }) => path === target);
    const mount = this.#table[index] ?? notMounted(target);
    this.#table[index] = { ...mount, superOptions: superOptionsOf(options) };
  }

  async #act(action: string): Promise<void> {
    await this.options.before?.(action);
    this.actions.push(action);
  }
}

/** Of those that a file system has, sizes: they tell mounts apart that were changed. */
function superOptionsOf(options: readonly string[]): readonly string[] {
  return ['rw', ...options.filter((option) => option.startsWith('size='))];
}

function propagationOf(isShared: boolean): Mount['propagation'] {
  return { ...(isShared ? { peerGroup: 1 } : {}), unbindable: false };
}

function notMounted(path: string): never {
  throw new PodwrightError('failed-precondition', `${path} could not be unmounted: not mounted.`, {
    details: { path },
  });
}
