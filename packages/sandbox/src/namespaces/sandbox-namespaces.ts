import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { listDirectory } from '../list-directory.js';
import { SandboxOptions } from '../sandbox-options.js';
import { sandboxPaths } from '../sandbox-paths.js';
import {
  NAMESPACE_FILES,
  type NamespaceKind,
  type NamespacePaths,
  NamespacePinner,
} from './namespace-pinner.js';

/** A namespace that is kept by a file, whether or not a process is in it. */
export interface ManagedNamespace {
  readonly kind: NamespaceKind;
  readonly path: string;
}

/** A sandbox's managed namespaces, and the directory in which they and its /dev/shm lie. */
export class SandboxNamespaces {
  readonly #joined = new Map<NamespaceKind, ManagedNamespace>();
  #closed = false;

  /** @param directory of this sandbox alone: `ns` below it has the namespaces, `shm` is its /dev/shm */
  constructor(
    private readonly executor: HostExecutor,
    private readonly pinner: NamespacePinner,
    private readonly directory: string,
  ) {}

  /** @throws PodwrightError kind `already-exists` (one of this kind was joined), `closed` */
  join({ kind, path }: ManagedNamespace): void {
    if (this.#closed) {
      throw new PodwrightError('closed', `The namespaces in ${this.directory} were closed.`, {
        details: { kind },
      });
    }
    const other = this.#joined.get(kind);
    if (other !== undefined) {
      throw new PodwrightError(
        'already-exists',
        `The sandbox has a ${kind} namespace already, ${other.path}: a second one, ${path}, cannot be joined.`,
        { details: { kind, path, joined: other.path } },
      );
    }
    this.#joined.set(kind, { kind, path });
  }

  /** Joins all of the paths. @throws as `join` */
  joinAll(paths: NamespacePaths): void {
    for (const [kind, path] of Object.entries(paths) as [NamespaceKind, string][]) this.join({ kind, path });
  }

  list(): readonly ManagedNamespace[] {
    return [...this.#joined.values()];
  }

  get(kind: NamespaceKind): ManagedNamespace | undefined {
    return this.#joined.get(kind);
  }

  /** Whether all of them are there now. */
  async present(): Promise<boolean> {
    return this.pinner.arePinned(this.list().map(({ path }) => path));
  }

  /** Nothing is joined any more, and nothing may be; what is pinned stays. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#joined.clear();
  }

  /** Closes, lets go of all that lies in the directory, and removes it. Idempotent. @throws PodwrightError kind `in-use`, `command-failed` */
  async remove(): Promise<void> {
    this.close();
    const list = async (path: string) =>
      (await listDirectory(this.executor.hostPath(path))).map((name) => join(path, name));
    const below = await list(this.directory);
    const pinned = [
      ...(await list(join(this.directory, 'ns'))),
      ...below.filter((path) => path.endsWith('/shm')),
    ];
    await this.pinner.unpin(pinned);
    await rm(this.executor.hostPath(this.directory), { recursive: true, force: true });
  }
}

/** Finds the namespaces of each sandbox. */
@injectable()
export class SandboxNamespacesFactory {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
    @inject(NamespacePinner) private readonly pinner: NamespacePinner,
  ) {}

  of(id: string): SandboxNamespaces {
    return new SandboxNamespaces(this.executor, this.pinner, sandboxPaths(this.options, id).runDir);
  }
}

/**
 * Where a namespace of a sandbox is found.
 * @param own whether it is the sandbox's own, not the host's
 * @param managed the managed one of this kind
 * @param infraPid the sandbox's first process, which has those that are not managed
 * @returns undefined for the host's
 */
export function namespacePath(
  kind: NamespaceKind,
  own: boolean,
  managed: ManagedNamespace | undefined,
  infraPid: number | undefined,
): string | undefined {
  if (!own) return undefined;
  if (managed !== undefined) return managed.path;
  return infraPid === undefined ? undefined : `/proc/${infraPid}/ns/${NAMESPACE_FILES[kind]}`;
}
