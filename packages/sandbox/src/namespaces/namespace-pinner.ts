import type { ServiceIdentifier } from 'inversify';
import type { SysctlFile } from './sysctls.js';

/** Namespaces that a sandbox has of its own and that are kept without a process. */
export type NamespaceKind = 'network' | 'ipc' | 'uts';

/** Path on the host by namespace; a namespace that is the node's has none. */
export type NamespacePaths = { readonly [kind in NamespaceKind]?: string };

/** What to make, and how it has to be inside. */
export interface PinRequest {
  readonly paths: NamespacePaths;
  /** Set in the UTS namespace. */
  readonly hostname: string;
  readonly sysctls: readonly SysctlFile[];
  /** A tmpfs for /dev/shm, mounted along the way; absent with the node's IPC namespace. */
  readonly shm?: { readonly path: string; readonly sizeBytes: number };
}

/** Makes namespaces and keeps them without a process. Rebind it to make them in another way. */
export interface NamespacePinner {
  /**
   * Makes all namespaces of the request with the loopback interface up, the hostname and the kernel parameters set.
   * The directories exist. A failure may leave some of them: the caller has to call `unpin`.
   * @throws PodwrightError kind `command-failed`, `permission-denied`, `missing-requirement`, `cancelled`
   */
  pin(request: PinRequest, signal?: AbortSignal): Promise<void>;
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
