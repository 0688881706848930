import type { PullEvent } from '@podwright/core';
import type { StoredLayer } from './image-store.js';
import type { Descriptor } from './manifest.js';

/** What a pull tells of its layers, from what the manifest has, what the store holds, and what skopeo prints. */
export class PullProgress {
  readonly #sizes: ReadonlyMap<string, number | undefined>;
  readonly #states = new Map<string, 'downloading' | 'done' | 'present'>();
  #isStoring = false;

  /** @param layers of the manifest, lowest first; empty when they are not known */
  constructor(layers: readonly Descriptor[]) {
    this.#sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  }

  /** The layers that need no download. */
  begin(stored: readonly StoredLayer[]): readonly PullEvent[] {
    const there = digestsOf(stored);
    return [...this.#sizes.keys()]
      .filter((digest) => there.has(digest))
      .flatMap((digest) => this.#to(digest, 'present'));
  }

  /** Skopeo without a terminal prints when it begins a layer, then the configuration when all layers are there. */
  line(line: string): readonly PullEvent[] {
    const blob = /^Copying blob (sha256:[0-9a-f]{64})/.exec(line)?.[1];
    if (blob !== undefined) return this.#states.has(blob) ? [] : this.#to(blob, 'downloading');
    if (!/^(?:Copying config|Writing manifest|Storing signatures)/.test(line)) return [];
    const done = this.#downloading().flatMap((digest) => this.#to(digest, 'done'));
    if (this.#isStoring) return done;
    this.#isStoring = true;
    return [...done, { type: 'storing' }];
  }

  /** The layers that are in the store by now. */
  stored(layers: readonly StoredLayer[]): readonly PullEvent[] {
    const there = digestsOf(layers);
    return this.#downloading()
      .filter((digest) => there.has(digest))
      .flatMap((digest) => this.#to(digest, 'done'));
  }

  #downloading(): readonly string[] {
    return [...this.#states].flatMap(([digest, state]) => (state === 'downloading' ? [digest] : []));
  }

  #to(digest: string, state: 'downloading' | 'done' | 'present'): readonly PullEvent[] {
    this.#states.set(digest, state);
    const totalBytes = this.#sizes.get(digest);
    return [{ type: 'layer', digest, state, ...(totalBytes === undefined ? {} : { totalBytes }) }];
  }
}

/** The digests by which a manifest can name these layers. */
export function digestsOf(layers: readonly StoredLayer[]): ReadonlySet<string> {
  return new Set(
    layers.flatMap(({ compressedDigest, diffDigest }) => [compressedDigest, diffDigest].filter(isText)),
  );
}

function isText(value: string | undefined): value is string {
  return value !== undefined;
}
