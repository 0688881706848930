import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PodwrightError, type RegistryAuth } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { ImagesOptions } from './images-options.js';
import { authFileContent } from './registry-auth.js';

/** What one pull or load keeps on the host while it runs; disposing removes it. */
export interface WorkDir extends AsyncDisposable {
  /** Path on the host of a directory for big files. */
  readonly path: string;
  /** Writes the credentials to a file that only root reads. @returns its path on the host */
  writeAuthFile(registry: string, auth: RegistryAuth): Promise<string>;
}

const DEFAULT_TMP_DIR = '/var/tmp';

/** Makes the directories of running pulls, and removes what a killed agent left of its own. */
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
      // Once only: later it would find the directories of running pulls.
      this.#swept ??= this.#sweep().catch((error: unknown) => {
        this.#swept = undefined;
        throw error;
      });
      await this.#swept;
      await mkdir(this.executor.hostPath(this.#authDir), { recursive: true, mode: 0o700 });
      const reached = await mkdtemp(this.executor.hostPath(join(this.#tmpDir, this.#prefix)));
      const name = basename(reached);
      return this.#workDir(join(this.#tmpDir, name), join(this.#authDir, `${name}.json`));
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

  async #sweep(): Promise<void> {
    const tmpDir = this.executor.hostPath(this.#tmpDir);
    const stale = (await readdir(tmpDir)).filter((name) => name.startsWith(this.#prefix));
    for (const path of [...stale.map((name) => join(tmpDir, name)), this.executor.hostPath(this.#authDir)]) {
      await rm(path, { recursive: true, force: true });
    }
  }

  #workDir(path: string, authPath: string): WorkDir {
    const [reachedDir, reachedAuth] = [this.executor.hostPath(path), this.executor.hostPath(authPath)];
    return {
      path,
      writeAuthFile: async (registry, auth) => {
        try {
          await writeFile(reachedAuth, authFileContent(registry, auth), { mode: 0o600, flag: 'wx' });
        } catch (error) {
          throw cannotWrite(authPath, error);
        }
        return authPath;
      },
      [Symbol.asyncDispose]: async () => {
        await rm(reachedAuth, { force: true });
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
