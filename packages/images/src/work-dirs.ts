import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PodwrightError, type RegistryAuth } from '@podwright/core';
import { HostExecutor, readProcessIdentity } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ImagesOptions } from './images-options.js';
import { listNames } from './list-names.js';
import { authFileContent } from './registry-auth.js';

/** What one pull or load keeps on the host while it runs; disposing removes it. */
export interface WorkDir extends AsyncDisposable {
  /** Path on the host of a directory for big files. */
  readonly path: string;
  /** Writes credentials to a file that only root reads, each to one of its own. @returns its path on the host */
  writeAuthFile(registry: string, auth: RegistryAuth): Promise<string>;
}

const DEFAULT_TMP_DIR = '/var/tmp';

/**
 * Makes the directories of running pulls, and removes those of processes that were killed. Names tell whose they are:
 * the command line pulls beside an agent with the same run directory.
 */
@injectable()
export class WorkDirs {
  #swept: Promise<void> | undefined;

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
  ) {}

  /** @throws PodwrightError kind `no-space`, `permission-denied`, `failed-precondition` */
  async create(): Promise<WorkDir> {
    try {
      this.#swept ??= this.#sweep().catch((error: unknown) => {
        this.#swept = undefined;
        throw error;
      });
      await this.#swept;
      await mkdir(this.executor.hostPath(this.#authDir), { recursive: true, mode: 0o700 });
      const start = `${this.#prefix}${await this.#self()}-`;
      const reached = await mkdtemp(this.executor.hostPath(join(this.#tmpDir, start)));
      const name = basename(reached);
      return this.#workDir(join(this.#tmpDir, name), join(this.#authDir, name));
    } catch (error) {
      throw cannotWrite(`${this.#tmpDir} or ${this.#authDir}`, error);
    }
  }

  get #tmpDir(): string {
    return this.options.tmpDir ?? DEFAULT_TMP_DIR;
  }

  get #authDir(): string {
    return join(this.options.runDir, 'auth');
  }

  /** Ties directories of big files to this agent: nobody else uses its run directory. */
  get #prefix(): string {
    const owner = createHash('sha256').update(this.options.runDir).digest('hex').slice(0, 12);
    return `podwright-images-${owner}-`;
  }

  /** This process as names carry it: its PID, and its start, which another process with that PID does not share. */
  async #self(): Promise<string> {
    const identity = await readProcessIdentity(this.executor, process.pid);
    return `${process.pid}.${identity?.startTimeTicks ?? 0}`;
  }

  async #sweep(): Promise<void> {
    for (const path of await this.leftovers()) await this.removeLeftover(path);
  }

  /** Paths on the host of what processes left that are gone. */
  async leftovers(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const directory of [this.#tmpDir, this.#authDir]) {
      for (const name of await listNames(this.executor.hostPath(directory))) {
        if (!name.startsWith(this.#prefix) || (await this.#isOwnerAlive(name))) continue;
        found.push(join(directory, name));
      }
    }
    return found;
  }

  /** Idempotent. @param path from `leftovers` */
  async removeLeftover(path: string): Promise<void> {
    await rm(this.executor.hostPath(path), { recursive: true, force: true });
  }

  async #isOwnerAlive(name: string): Promise<boolean> {
    const [pid, startTimeTicks] = name.slice(this.#prefix.length).split(/[.-]/).map(Number);
    if (!pid || startTimeTicks === undefined) return false;
    const identity = await readProcessIdentity(this.executor, pid);
    return identity?.startTimeTicks === startTimeTicks;
  }

  #workDir(path: string, authPrefix: string): WorkDir {
    const reachedDir = this.executor.hostPath(path);
    const written: string[] = [];
    return {
      path,
      writeAuthFile: async (registry, auth) => {
        const authPath = `${authPrefix}-${written.length}.json`;
        const reachedAuth = this.executor.hostPath(authPath);
        written.push(reachedAuth);
        try {
          await writeFile(reachedAuth, authFileContent(registry, auth), { mode: 0o600, flag: 'wx' });
        } catch (error) {
          throw cannotWrite(authPath, error);
        }
        return authPath;
      },
      [Symbol.asyncDispose]: async () => {
        for (const reachedAuth of written) await rm(reachedAuth, { force: true });
        await rm(reachedDir, { recursive: true, force: true });
      },
    };
  }
}

function cannotWrite(path: string, cause: unknown): PodwrightError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const kind =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'no-space'
      : code === 'EACCES' || code === 'EPERM'
        ? 'permission-denied'
        : 'failed-precondition';
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PodwrightError(kind, `No files for a pull can be made under ${path}: ${why}.`, {
    cause,
    details: { path },
  });
}
