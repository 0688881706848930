import { readFile } from 'node:fs/promises';
import { type IdMapping, PodwrightError, systemErrorCode } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { SandboxOptions } from '../sandbox-options.js';
import { DEFAULT_IDS, firstFree, IDS_PER_POD, type IdRange, subordinateIds } from './id-ranges.js';

/** Gives each pod ids of its own on the host. What was given is in the sandboxes' records. */
@injectable()
export class UserNamespaceRanges {
  readonly #taken = new Map<string, readonly IdMapping[]>();

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(SandboxOptions) private readonly options: SandboxOptions,
  ) {}

  /**
   * Takes a range that no sandbox has, until `free`.
   * @throws PodwrightError kind `no-space` (all are taken), `missing-requirement` (the configured user has no range)
   */
  async allot(sandboxId: string): Promise<IdMapping> {
    const range = await this.#range();
    // From here on nothing is awaited: of two calls at once each sees what the other took.
    const first = firstFree(range, [...this.#taken.values()].flat());
    if (first === undefined) {
      throw new PodwrightError(
        'no-space',
        `All ${Math.floor(range.count / IDS_PER_POD)} ranges of ids for pods with a user namespace of their own are ` +
          'taken. Remove such pods, or configure more ids in userNamespaceIds.',
        { details: { ...range } },
      );
    }
    const mapping = { containerId: 0, hostId: first, size: IDS_PER_POD };
    this.#taken.set(sandboxId, [mapping]);
    return mapping;
  }

  /** Remembers what a sandbox was given, by an earlier agent or by its caller. */
  keep(sandboxId: string, mappings: readonly IdMapping[]): void {
    this.#taken.set(sandboxId, mappings);
  }

  /** Idempotent. */
  free(sandboxId: string): void {
    this.#taken.delete(sandboxId);
  }

  async #range(): Promise<IdRange> {
    const ids = this.options.userNamespaceIds;
    if (!('user' in ids)) return ids;
    const [uids, gids] = await Promise.all(
      ['/etc/subuid', '/etc/subgid'].map(async (path) => subordinateIds(await this.#read(path), ids.user)),
    );
    const range = uids?.find((candidate) =>
      gids?.some(({ first, count }) => first === candidate.first && count === candidate.count),
    );
    if (range !== undefined) return range;
    throw new PodwrightError(
      'missing-requirement',
      `/etc/subuid and /etc/subgid give user "${ids.user}" no common range of at least ${IDS_PER_POD} ids. Add the same ` +
        `line to both, such as ${ids.user}:${DEFAULT_IDS.first}:${IDS_PER_POD * 64}.`,
      { details: { user: ids.user } },
    );
  }

  async #read(path: string): Promise<string> {
    return readFile(this.executor.hostPath(path), 'utf8').catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return '';
      throw error;
    });
  }
}
