import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Clock, Logger, messageOf, systemErrorCode } from '@podwright/core';
import { inject, injectable, type ServiceIdentifier } from 'inversify';

/** What is remembered of an image. */
export interface ImageUse {
  readonly firstDetectedMs: number;
  /** Absent: no container had it yet. */
  readonly lastUsedMs?: number;
}

/** File in which uses are remembered; undefined: in memory only. */
export type ImageUsesFile = string | undefined;
export const ImageUsesFile: ServiceIdentifier<ImageUsesFile> = Symbol.for('podwright.pods.ImageUsesFile');

const VERSION = 1;

/**
 * Remembers when each image was seen first and when a container last had it, over restarts of the agent. Losing it
 * harms nothing: images then count as seen first and never used. So it is written behind, without waiting for the disk.
 */
@injectable()
export class ImageUses {
  private uses = new Map<string, ImageUse>();
  private loading: Promise<void> | undefined;
  private writing: Promise<void> = Promise.resolve();
  private isDirty = false;

  constructor(
    @inject(ImageUsesFile) private readonly file: ImageUsesFile,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** A container gets this image now, or had it until now. Returns at once. */
  used(imageId: string): void {
    const nowMs = this.clock.nowMs();
    this.uses.set(imageId, {
      firstDetectedMs: this.uses.get(imageId)?.firstDetectedMs ?? nowMs,
      lastUsedMs: nowMs,
    });
    this.save();
  }

  /**
   * Takes in what there is now: new images are seen first, those in use are used, the rest of what is remembered is
   * forgotten.
   */
  async detect(
    imageIds: Iterable<string>,
    inUse: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, ImageUse>> {
    await this.load();
    const nowMs = this.clock.nowMs();
    const uses = new Map<string, ImageUse>();
    for (const id of imageIds) {
      const known = this.uses.get(id) ?? { firstDetectedMs: nowMs };
      uses.set(id, inUse.has(id) ? { ...known, lastUsedMs: nowMs } : known);
    }
    this.uses = uses;
    this.save();
    await this.flush();
    return uses;
  }

  /** Resolves when all that was noted is in the file. Never fails. */
  async flush(): Promise<void> {
    await this.writing;
  }

  private load(): Promise<void> {
    this.loading ??= this.read();
    return this.loading;
  }

  private async read(): Promise<void> {
    if (this.file === undefined) return;
    try {
      const remembered = parseUses(await readFile(this.file, 'utf8'));
      for (const [id, old] of remembered) this.uses.set(id, joined(old, this.uses.get(id)));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return;
      this.logger.warn('when images were last used is forgotten: its file cannot be read', {
        path: this.file,
        error: messageOf(error),
      });
    }
  }

  private save(): void {
    if (this.file === undefined || this.isDirty) return;
    this.isDirty = true;
    const { file } = this;
    this.writing = this.writing
      .then(async () => {
        await this.load();
        this.isDirty = false;
        await this.write(file);
      })
      .catch((error: unknown) => {
        this.isDirty = false;
        this.logger.warn('when images were last used cannot be remembered', {
          path: file,
          error: messageOf(error),
        });
      });
  }

  private async write(file: string): Promise<void> {
    const temporary = `${file}.${process.pid}.tmp`;
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    try {
      await using handle = await open(temporary, 'w', 0o600);
      await handle.writeFile(
        `${JSON.stringify({ version: VERSION, images: Object.fromEntries(this.uses) })}\n`,
      );
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await rename(temporary, file);
  }
}

function joined(old: ImageUse, fresh: ImageUse | undefined): ImageUse {
  if (fresh === undefined) return old;
  const lastUsedMs = fresh.lastUsedMs ?? old.lastUsedMs;
  return {
    firstDetectedMs: Math.min(old.firstDetectedMs, fresh.firstDetectedMs),
    ...(lastUsedMs === undefined ? {} : { lastUsedMs }),
  };
}

function parseUses(text: string): ReadonlyMap<string, ImageUse> {
  const parsed: unknown = JSON.parse(text);
  const { version, images }: Record<string, unknown> = { ...(isObject(parsed) ? parsed : {}) };
  if (version !== VERSION || !isObject(images)) throw new Error(`its version is ${String(version)}`);
  const uses = new Map<string, ImageUse>();
  for (const [id, use] of Object.entries(images)) {
    if (!isObject(use)) continue;
    const { firstDetectedMs, lastUsedMs } = use;
    if (typeof firstDetectedMs !== 'number') continue;
    uses.set(id, { firstDetectedMs, ...(typeof lastUsedMs === 'number' ? { lastUsedMs } : {}) });
  }
  return uses;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
