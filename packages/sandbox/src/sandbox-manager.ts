import type { Orphan, PodwrightError } from '@podwright/core';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';
import type { PodNetworkStatus } from './network/pod-network.js';
import type { Sandbox } from './sandbox.js';
import type { SandboxConfig, SandboxRecord } from './sandbox-record.js';
import type { SandboxLoadResult } from './sandbox-store.js';

/**
 * Makes and removes sandboxes: what the containers of a pod share. A process is kept only for a shared PID namespace.
 *
 * Calls for one sandbox are done one after the other; of calls of the same kind at once the later ones join the first.
 */
export interface SandboxManager extends AsyncDisposable {
  /**
   * Reads all records; to be called once, before anything else. What a creation broken off by an agent's end left is
   * removed, and stops that were not done are tried again.
   * @param options `observe`: nothing is removed or stopped, as another process may be making it; may be called again and again,
   *   to see what that one did
   * @returns the sandboxes, and an error of kind `corrupt-state` or `unsupported` for each record that cannot be read
   */
  load(options?: { readonly observe?: boolean }): Promise<SandboxLoadResult>;
  /**
   * Makes a sandbox: directories, namespaces, network, files. On failure or cancellation all of it is undone in
   * reverse; what cannot be undone stays under its id, not `created`, for `remove`.
   * @param id letters, digits and `_ . -`; unique
   * @throws PodwrightError kind `empty-id`, `already-exists` (id, or the pod's uid and attempt), `port-in-use`,
   *   `invalid-argument`, `not-found` (a further network), `missing-requirement`, `unsupported`, `no-space`, `permission-denied`, `command-failed`,
   *   `cancelled`
   */
  create(config: SandboxConfig, id: string, signal?: AbortSignal): Promise<SandboxRecord>;
  /**
   * Makes a sandbox of an earlier boot anew, as it was: the same id, names and labels, and the addresses that it had where
   * its network can give them again. Of one that is ready: nothing.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (it was stopped), and as `create`; it can be tried again
   */
  restore(id: string, signal?: AbortSignal): Promise<SandboxRecord>;
  /** The first half of `stop`: frees host ports and addresses. Idempotent. @throws PodwrightError in the CNI plugin's words */
  stopNetwork(id: string): Promise<void>;
  /**
   * Takes the network down, ends the first process, lets the namespaces and /dev/shm go; the record and the files stay.
   * Idempotent. Nothing is let go while the network cannot be taken down; it is tried again with growing pauses, here
   * and by the next agent, or sooner when this is called again.
   * @throws PodwrightError in the CNI plugin's words
   */
  stop(id: string): Promise<void>;
  /**
   * Stops it and removes all that is left of it; with the last one also what all shared on the host. Idempotent. One whose
   * record cannot be read is removed by what else is known of it.
   * @throws PodwrightError kind `unsupported` when its record is a newer agent's; in the CNI plugin's words
   */
  remove(id: string): Promise<void>;
  get(id: string): SandboxRecord | undefined;
  /** The living sandbox: where its namespaces are, its first process, which containers are in it. */
  sandbox(id: string): Sandbox | undefined;
  /** Newest first. */
  list(): readonly SandboxRecord[];
  /** Replaces a sandbox's record. @throws PodwrightError kind `not-found` */
  update(record: SandboxRecord): Promise<void>;
  /** Whether it `isReady`, and of this boot. False for one that is not known. */
  verify(id: string): Promise<boolean>;
  /**
   * Asks the plugins whether its network is as they left it. Networks that cannot be checked pass: those with
   * `disableCheck`, those older than version 0.4.0, and the default network of a pod with host ports.
   * @throws PodwrightError kind `not-found`, `failed-precondition` (stopped), and in the CNI plugin's words
   */
  checkNetwork(id: string, signal?: AbortSignal): Promise<void>;
  /** Whether pods can get a network of their own now. */
  networkStatus(signal?: AbortSignal): Promise<PodNetworkStatus>;
  /** By id: why the record of a sandbox could not be read when all were loaded. */
  readonly unreadable: ReadonlyMap<string, PodwrightError>;
  /**
   * Finds namespaces, mounts, directories, networks, address leases and packet filter rules of this library that belong
   * to no sandbox, in the order in which they have to go; and, as a whole, sandboxes whose creation was broken off or
   * whose records are broken. One whose record is a newer agent's, or could not be read for now, keeps all it has.
   * @param isInUse spares sandboxes with broken records, e.g. as containers run in them; default: none
   */
  findOrphans(isInUse?: (id: string) => boolean): Promise<readonly Orphan[]>;
  /** Takes away what all sandboxes share on the host, when there is none, nor an orphan of one. */
  releaseUnused(): Promise<void>;
  /** Ids of sandboxes whose stop had failed and was done later, without anybody's call. Hot. */
  readonly stoppedLater: Observable<string>;
  /** Tries nothing again any more; what is not done stays remembered. */
  [Symbol.asyncDispose](): Promise<void>;
}

export const SandboxManager: ServiceIdentifier<SandboxManager> = Symbol.for(
  'podwright.sandbox.SandboxManager',
);
