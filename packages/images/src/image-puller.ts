import { createHash } from 'node:crypto';
import {
  type Image,
  type ImageReference,
  PodwrightError,
  type PullEvent,
  type PullOptions,
  parseImageReference,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { catchError, EMPTY, map, switchMap } from 'rxjs';
import { recordedName } from './image-lookup.js';
import { ImageStore } from './image-store.js';
import { LeftoverLayers } from './leftover-layers.js';
import {
  chooseManifest,
  type Descriptor,
  hostPlatform,
  type Manifest,
  noPlatform,
  parseManifest,
} from './manifest.js';
import { PullNotes } from './pull-notes.js';
import { PullProgress } from './pull-progress.js';
import { isRefusal, type PullSource, PullSources, refusedByAll } from './pull-sources.js';
import { SignaturePolicy } from './signature-policy.js';
import { Skopeo, type SkopeoCall } from './skopeo.js';
import { EVERYTHING, StoreLocks } from './store-locks.js';
import { type WorkDir, WorkDirs } from './work-dirs.js';

/** What a pull brings, as its manifest tells. */
interface Contents {
  /** Digest of the configuration, which is the image's id. */
  readonly config: string;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

/** What a registry answered, and with which credentials it did. */
interface Reached {
  readonly source: PullSource;
  readonly manifest: Manifest | undefined;
  /** Of the manifest's text. */
  readonly digest: string;
}

/** Pulls one image from a registry into the store. */
@injectable()
export class ImagePuller {
  constructor(
    @inject(Skopeo) private readonly skopeo: Skopeo,
    @inject(ImageStore) private readonly store: ImageStore,
    @inject(StoreLocks) private readonly locks: StoreLocks,
    @inject(WorkDirs) private readonly workDirs: WorkDirs,
    @inject(PullSources) private readonly sources: PullSources,
    @inject(LeftoverLayers) private readonly leftovers: LeftoverLayers,
    @inject(PullNotes) private readonly notes: PullNotes,
    @inject(SignaturePolicy) private readonly policy: SignaturePolicy,
  ) {}

  /**
   * Resolves when the image is there; rejects when nothing of the pull is left.
   * @param emit gets every event but `done`
   */
  async pull(
    reference: string,
    options: PullOptions,
    emit: (event: PullEvent) => void,
    signal: AbortSignal,
  ): Promise<Image> {
    const name = recordedName(reference);
    const call: SkopeoCall = { doing: `Pulling ${name}`, signal };
    emit({ type: 'resolving', reference: name });
    await using work = await this.workDirs.create();
    const reached = await this.#reach(name, options, work, call);
    const contents = await this.#contents(reached, parseImageReference(name), call);
    using lease = await this.locks.shared(lockKeys(contents), signal);
    const before = await this.store.allLayers({ signal });
    const progress = new PullProgress(contents?.layers ?? []);
    progress.begin(before).forEach(emit);
    const present = await this.#present(name, reached);
    if (present !== undefined) return present;
    await using _note = await this.notes.write(
      name,
      contents?.layers.map(({ digest }) => digest) ?? [],
      before,
    );
    try {
      await this.#copy(name, reached.source, work, call, progress, emit);
    } catch (error) {
      lease[Symbol.dispose]();
      await this.leftovers.remove(contents?.layers.map(({ digest }) => digest) ?? [], before);
      throw error;
    }
    const stored = await this.store.resolve(name);
    if (stored !== undefined) return stored.image;
    throw new PodwrightError(
      'not-found',
      `${name} was pulled and at once removed by another program: pull it again.`,
    );
  }

  async #copy(
    name: string,
    source: PullSource,
    work: WorkDir,
    call: SkopeoCall,
    progress: PullProgress,
    emit: (event: PullEvent) => void,
  ): Promise<void> {
    const target = await this.store.copyTarget(name, { ...(call.signal && { signal: call.signal }) });
    const finished = this.store.layerChanges.pipe(
      // The last change is seen, also one that comes while the list is being read.
      switchMap(() => this.store.allLayers()),
      map((layers) => progress.stored(layers)),
      // Of the progress only: skopeo itself fails when the store is damaged.
      catchError(() => EMPTY),
    );
    const watching = finished.subscribe((events) => events.forEach(emit));
    try {
      await this.skopeo.copy(source, target, work.path, call, (line) => progress.line(line).forEach(emit));
    } finally {
      watching.unsubscribe();
    }
  }

  /**
   * What the store has under this name, if it is what the registry has: nothing is to be copied then. Where a policy asks
   * for more than that, skopeo decides.
   */
  async #present(name: string, { digest }: Reached): Promise<Image | undefined> {
    if (!(await this.policy.takesAnything())) return undefined;
    try {
      const { image } = (await this.store.resolve(name)) ?? {};
      if (!image?.repoTags.includes(name)) return undefined;
      return image.repoDigests.some((known) => known.endsWith(`@${digest}`)) ? image : undefined;
    } catch (error) {
      // The copy mends it, or tells of it.
      if (PodwrightError.is(error, 'corrupt-state')) return undefined;
      throw error;
    }
  }

  /** Asks with one credential after the other until the registry shows the manifest. */
  async #reach(name: string, options: PullOptions, work: WorkDir, call: SkopeoCall): Promise<Reached> {
    const sources = await this.sources.of(name, options, work);
    const refusals: PodwrightError[] = [];
    for (const source of sources) {
      try {
        const text = await this.skopeo.rawManifest(source, call);
        const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
        return { source, manifest: parseManifest(text), digest };
      } catch (error) {
        if (!isRefusal(error)) throw error;
        refusals.push(error);
      }
    }
    throw refusedByAll(refusals, sources);
  }

  /** Undefined when the manifest is of a kind that only skopeo understands; it then fails or succeeds by itself. */
  async #contents(
    { source, manifest }: Reached,
    reference: ImageReference,
    call: SkopeoCall,
  ): Promise<Contents | undefined> {
    if (manifest?.type !== 'index') {
      return manifest && { config: manifest.config.digest, layers: manifest.layers };
    }
    const chosen = chooseManifest(manifest.manifests, hostPlatform(process.arch));
    if (chosen === undefined) throw noPlatform(`${call.doing} failed: the image`, manifest.manifests);
    const name = `docker://${reference.registry}/${reference.repository}@${chosen.digest}`;
    const own = parseManifest(await this.skopeo.rawManifest({ ...source, name }, call));
    return own?.type === 'image' ? { config: own.config.digest, layers: own.layers } : undefined;
  }
}

function lockKeys(contents: Contents | undefined): readonly string[] {
  return contents === undefined
    ? [EVERYTHING]
    : [contents.config, ...contents.layers.map(({ digest }) => digest)];
}
