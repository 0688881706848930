import type { ServiceIdentifier } from 'inversify';
import type { Mount } from './mount-info.js';

/** What happens to mounts made below another copy of a mount. @see mount_namespaces(7); `r…`: of all below it too */
export const PROPAGATIONS = [
  'shared',
  'rshared',
  'slave',
  'rslave',
  'private',
  'rprivate',
  'unbindable',
  'runbindable',
] as const;
export type Propagation = (typeof PROPAGATIONS)[number];

export interface MounterCallOptions {
  readonly signal?: AbortSignal;
}

export interface MountCallOptions extends MounterCallOptions {
  /**
   * Options such as `password=…`, given after the others. They and what is behind their `=` are masked in errors and
   * logs. While the mount command runs, every user of the host can read its command line: a credentials file is better.
   */
  readonly sensitiveOptions?: readonly string[];
  /**
   * The kernel gets source and target as they are, without mount(8) looking first where links lead: for a source such as
   * `/proc/PID/fd/N`, which holds what was opened, and whose path may mean something else by now.
   */
  readonly noCanonicalize?: boolean;
}

export interface UnmountCallOptions extends MounterCallOptions {
  /** Takes it out of the tree at once, and frees it when nobody uses it any more. @see umount(8), --lazy */
  readonly lazy?: boolean;
}

export interface CleanUpOptions extends UnmountCallOptions {
  /**
   * Looks into the mount table instead of comparing devices, and so also finds a bind mount of the same file system.
   * Default true.
   */
  readonly extensiveCheck?: boolean;
}

/**
 * The only way in which any package mounts on the host or looks at its mounts. Paths are absolute and the host's, also
 * for an agent in a container. Errors of mount(8) and umount(8) carry their own words in the message and in
 * `details.stderr`, beside `details.exitCode`, `details.command` and `details.path`.
 */
export interface Mounter {
  /**
   * All mounts, in the order in which they were made. The table is read again until two reads agree: one read of a
   * table that changes can miss mounts.
   * @throws PodwrightError kind `unavailable` when it never stays the same, `missing-requirement`
   */
  list(): Promise<readonly Mount[]>;
  /**
   * Mounts. With `bind` or `rbind` the kernel ignores all other options at first: they follow in a remount, which keeps
   * those of the mount that the source lies on (nosuid and so on) unless they are named. A propagation such as `rshared`
   * is a step of its own. When a step fails, what the steps before it mounted is unmounted.
   *
   * A file system whose mount helper may leave a daemon behind (FUSE, network file systems) is mounted in a systemd
   * scope of its own, so that the daemon outlives the agent and its unit. Without a running systemd it is mounted
   * plainly, with one warning; where systemd fails to give a scope, with a warning for each mount.
   * @param source a device, a directory or file, or any word
   * @param fstype absent: found by mount(8), or not needed
   * @param options as for `mount -o`, one each
   * @throws PodwrightError kind `not-found`, `permission-denied`, `in-use`, `no-space`, `unsupported` (a file system
   *   that the host does not know), `invalid-argument`, `command-failed`, `cancelled`
   */
  mount(
    source: string,
    target: string,
    fstype: string | undefined,
    options?: readonly string[],
    more?: MountCallOptions,
  ): Promise<void>;
  /** Changes the propagation of what is mounted at a path. @throws as `mount` */
  setPropagation(target: string, propagation: Propagation, options?: MounterCallOptions): Promise<void>;
  /**
   * Unmounts what is mounted at a path; of several mounts above each other the uppermost.
   * @throws PodwrightError kind `failed-precondition` (nothing is mounted there), `not-found`, `in-use`,
   *   `permission-denied`, `command-failed`, `cancelled`
   */
  unmount(target: string, options?: UnmountCallOptions): Promise<void>;
  /**
   * Unmounts everything that is mounted at a path, above each other; a path that is no mount point or does not exist is
   * no error.
   * @returns whether anything was mounted
   * @throws as `unmount`
   */
  unmountIfMounted(target: string, options?: UnmountCallOptions): Promise<boolean>;
  /**
   * Unmounts everything at a path and below it, what was mounted last first. Nothing there is no error.
   * @returns the mount points
   * @throws as `unmount`; what was mounted before stays then
   */
  unmountTree(path: string, options?: UnmountCallOptions): Promise<readonly string[]>;
  /**
   * Unmounts everything at a path and removes the mount point, an empty directory or a file. Also where the server or
   * daemon behind the mount is dead. A path that does not exist is no error.
   * @throws as `unmount`, and kind `in-use` for a directory that is not empty; nothing in it is removed
   */
  cleanUpMountPoint(path: string, options?: CleanUpOptions): Promise<void>;
  /**
   * Whether a path seems to be no mount point, cheaply: its device is that of the directory it lies in. Wrong for a
   * bind mount of a directory of the same file system, for which `isMountPoint` is exact. Links are followed. What
   * cannot be looked at because the server or daemon behind it is dead is a mount point.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (a loop of links), `permission-denied`
   */
  isLikelyNotMountPoint(path: string): Promise<boolean>;
  /** Whether something is mounted at a path, by the mount table. Links are followed. @throws kind `not-found` */
  isMountPoint(path: string): Promise<boolean>;
  /** What is mounted at a path, the uppermost; undefined when nothing is or the path does not exist. */
  getMount(path: string): Promise<Mount | undefined>;
  /**
   * All other mount points with the same content as a path: the same directory of the same file system. A path that
   * does not exist has none.
   */
  getMountRefs(path: string): Promise<readonly string[]>;
}

export const Mounter: ServiceIdentifier<Mounter> = Symbol.for('podwright.nsenter.Mounter');
