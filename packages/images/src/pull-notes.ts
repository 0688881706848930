import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Logger, messageOf, systemErrorCode } from '@podwright/core';
import { HostExecutor, readProcessIdentity, writeFileAtomic } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import type { StoredLayer } from './image-store.js';
import { ImagesOptions } from './images-options.js';
import { listNames } from './list-names.js';

const VERSION = 1;
/** A copy into the store whose process ended in the middle of it. */
export interface BrokenPull {
  readonly path: string;
  readonly reference: string;
  /** Of the image's layers. */
  readonly digests: readonly string[];
  /** Ids of the store's layers when it began. */
  readonly layersBefore: readonly string[];
}

/** Notes of the copies into the store that are under way, so that what a killed process leaves there can be told from what others put there. */
@injectable()
export class PullNotes {
  #written = 0;

  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(ImagesOptions) private readonly options: ImagesOptions,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** @returns disposing it says that the copy is over, and nothing of it is left */
  async write(
    reference: string,
    digests: readonly string[],
    before: readonly StoredLayer[],
  ): Promise<AsyncDisposable> {
    const identity = await readProcessIdentity(this.executor, process.pid);
    const note = {
      version: VERSION,
      reference,
      pid: process.pid,
      startTimeTicks: identity?.startTimeTicks ?? 0,
      digests,
      layersBefore: before.map(({ id }) => id),
    };
    await mkdir(this.executor.hostPath(this.#directory), { recursive: true, mode: 0o700 });
    const path = join(this.#directory, `${process.pid}-${note.startTimeTicks}-${this.#written++}.json`);
    await writeFileAtomic(this.executor.hostPath(path), `${JSON.stringify(note)}\n`, { mode: 0o600 });
    return { [Symbol.asyncDispose]: () => this.remove(path) };
  }

  /** Those whose process is gone; a note that cannot be read is logged and left. */
  async broken(): Promise<readonly BrokenPull[]> {
    const pulls: BrokenPull[] = [];
    for (const name of await listNames(this.executor.hostPath(this.#directory))) {
      const path = join(this.#directory, name);
      try {
        const text = await readFile(this.executor.hostPath(path), 'utf8');
        const { reference, pid, startTimeTicks, digests, layersBefore } = parseNote(text);
        const identity = await readProcessIdentity(this.executor, pid);
        if (identity?.startTimeTicks === startTimeTicks) continue;
        pulls.push({ path, reference, digests, layersBefore });
      } catch (error) {
        if (systemErrorCode(error) === 'ENOENT') continue;
        this.logger.warn('a note of a pull cannot be read', { path, error: messageOf(error) });
      }
    }
    return pulls;
  }

  /** Idempotent. */
  async remove(path: string): Promise<void> {
    await rm(this.executor.hostPath(path), { force: true });
  }

  get #directory(): string {
    return join(this.options.runDir, 'pulls');
  }
}

interface PullNote extends Omit<BrokenPull, 'path'> {
  readonly pid: number;
  readonly startTimeTicks: number;
}

function parseNote(text: string): PullNote {
  const parsed: unknown = JSON.parse(text);
  const { version, reference, pid, startTimeTicks, digests, layersBefore }: Record<string, unknown> = {
    ...(typeof parsed === 'object' ? parsed : {}),
  };
  if (
    version !== VERSION ||
    typeof reference !== 'string' ||
    typeof pid !== 'number' ||
    typeof startTimeTicks !== 'number' ||
    !isTexts(digests) ||
    !isTexts(layersBefore)
  ) {
    throw new Error(`it is no note of version ${VERSION}`);
  }
  return { reference, pid, startTimeTicks, digests, layersBefore };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}
