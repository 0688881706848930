import type { IdMapping } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import type { SysctlFile } from './sysctls.js';

/** Namespaces that a sandbox may have of its own. All but `pid` need no process to stay. */
export type NamespaceKind = 'user' | 'network' | 'ipc' | 'uts' | 'pid';

/** Kinds that `pin` makes. */
export type PinnedKind = Exclude<NamespaceKind, 'pid'>;

/** Path on the host by namespace; a namespace that is the node's has none. */
export type NamespacePaths = { readonly [kind in NamespaceKind]?: string };

/** Names in /proc/PID/ns, namespaces(7). */
export const NAMESPACE_FILES: Readonly<Record<NamespaceKind, string>> = {
  user: 'user',
  network: 'net',
  ipc: 'ipc',
  uts: 'uts',
  pid: 'pid',
};

/** What to make, and how it has to be inside. */
export interface PinRequest {
  /** With `user`, the others are made inside that user namespace, and belong to it. */
  readonly paths: Pick<NamespacePaths, PinnedKind>;
  /** Set in the UTS namespace. */
  readonly hostname: string;
  readonly sysctls: readonly SysctlFile[];
  /** Where the ids of the user namespace lie on the host; for users and groups alike. */
  readonly idMappings: readonly IdMapping[];
  /** A tmpfs for /dev/shm, mounted along the way; absent with the node's IPC namespace. */
  readonly shm?: { readonly path: string; readonly sizeBytes: number };
}

/** Makes namespaces and keeps them without a process. Rebind it to make them in another way. */
export interface NamespacePinner {
  /**
   * Makes all namespaces of the request with the loopback interface up, the hostname and the kernel parameters set.
   * When one cannot be made, those before it are let go again.
   * @throws PodwrightError kind `command-failed`, `permission-denied`, `missing-requirement`, `cancelled`
   */
  pin(request: PinRequest, signal?: AbortSignal): Promise<void>;
  /**
   * Pins a namespace of a living process.
   * @throws PodwrightError kind `not-found` (no such process), `command-failed`
   */
  pinOf(pid: number, kind: NamespaceKind, path: string): Promise<void>;
  /**
   * Lets go of whatever of the paths is mounted (namespaces and tmpfs), and removes their files. Idempotent.
   * @throws PodwrightError kind `command-failed`, `in-use`
   */
  unpin(paths: readonly string[]): Promise<void>;
  /** Whether all of the paths are namespaces now. */
  arePinned(paths: readonly string[]): Promise<boolean>;
  /** Prepares the directory below which namespaces are pinned. Idempotent. */
  prepare(directory: string): Promise<void>;
  /** Undoes `prepare`. Idempotent. @throws PodwrightError kind `command-failed` */
  release(directory: string): Promise<void>;
}

export const NamespacePinner: ServiceIdentifier<NamespacePinner> = Symbol.for(
  'podwright.sandbox.NamespacePinner',
);
