import { type Logger, messageOf } from '@podwright/core';
import { toPodwrightError } from './system-error.js';

/** What is shared, and who uses it. */
export interface SharedPartsConfig {
  readonly prepare: () => Promise<void>;
  readonly release: () => Promise<void>;
  readonly isUsed: () => boolean;
  /** How long it is kept after the last sandbox, in milliseconds. */
  readonly keepMs: number;
  readonly logger: Logger;
}

/** What all sandboxes share on the host: made before the first one, and gone with the last. */
export class SharedParts {
  #prepared: Promise<void> | undefined;
  #releasing: Promise<void> | undefined;
  #releasesLater: NodeJS.Timeout | undefined;

  constructor(private readonly config: SharedPartsConfig) {}

  get isUsed(): boolean {
    return this.config.isUsed();
  }

  /** The release under way: to be awaited before a new sandbox counts on what is shared. */
  get releasing(): Promise<void> | undefined {
    return this.#releasing;
  }

  async prepare(): Promise<void> {
    this.#prepared ??= this.config.prepare();
    await this.#prepared.catch((error) => {
      this.#prepared = undefined;
      throw toPodwrightError(error, 'Preparing the directory of namespaces');
    });
  }

  /** It is no failure of the last sandbox when this fails: the next removal tries again. */
  async releaseIfUnused(): Promise<void> {
    while (this.#releasing) await this.#releasing;
    if (this.isUsed) return;
    this.#prepared = undefined;
    this.#releasing = this.config
      .release()
      .catch((error) =>
        this.config.logger.error('what sandboxes shared on the host could not be removed', {
          error: messageOf(error),
        }),
      )
      .finally(() => {
        this.#releasing = undefined;
      });
    await this.#releasing;
  }

  /** The next sandbox may come soon. */
  async releaseAfterLast(): Promise<void> {
    const { keepMs } = this.config;
    if (keepMs === 0) return await this.releaseIfUnused();
    if (this.isUsed) return;
    this.releaseNotLater();
    this.#releasesLater = setTimeout(() => {
      this.#releasesLater = undefined;
      // It tells of its failures itself.
      void this.releaseIfUnused();
    }, keepMs).unref();
  }

  /** @returns whether that was planned */
  releaseNotLater(): boolean {
    const planned = this.#releasesLater !== undefined;
    clearTimeout(this.#releasesLater);
    this.#releasesLater = undefined;
    return planned;
  }
}
