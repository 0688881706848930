import { PodwrightError } from '@podwright/core';

/** An entry of overlay-images/images.json, as containers/storage writes it (its images.go). */
export interface ImageRecord {
  readonly id: string;
  readonly digest?: string;
  readonly names?: readonly string[] | null;
  readonly layer?: string;
  readonly 'big-data-names'?: readonly string[] | null;
  readonly 'big-data-sizes'?: Readonly<Record<string, number>> | null;
  readonly 'big-data-digests'?: Readonly<Record<string, string>> | null;
  readonly created?: string;
}

/** An entry of overlay-layers/layers.json (layers.go). */
export interface LayerRecord {
  readonly id: string;
  readonly parent?: string;
  readonly 'compressed-diff-digest'?: string;
  readonly 'diff-digest'?: string;
  readonly 'diff-size'?: number;
  readonly flags?: Readonly<Record<string, unknown>> | null;
}

/** An entry of overlay-containers/containers.json (containers.go). */
export interface ContainerRecord {
  readonly id: string;
  readonly names?: readonly string[] | null;
  readonly image?: string;
  readonly layer?: string;
  /** Text of whoever made it. */
  readonly metadata?: string;
}

/**
 * Takes one of the store's lists.
 * @param text content of the file; empty: no entries
 * @throws PodwrightError kind `corrupt-state` that names the file
 */
export function parseRecords<T extends { readonly id: string }>(text: string, path: string): readonly T[] {
  const corrupt = (why: string, cause?: unknown) =>
    new PodwrightError('corrupt-state', `The image store's file ${path} cannot be read: ${why}.`, {
      cause,
      details: { path },
    });
  if (text.trim() === '') return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw corrupt('it is no JSON', error);
  }
  if (parsed === null) return [];
  if (!Array.isArray(parsed)) throw corrupt('it is no list');
  const isRecord = (entry: unknown): entry is T =>
    typeof entry === 'object' && entry !== null && 'id' in entry && typeof entry.id === 'string';
  if (!parsed.every(isRecord)) throw corrupt('an entry has no id');
  return parsed;
}

/** The layers from an uppermost one downwards, as far as they are there. */
export function layerChain<T extends LayerRecord>(
  top: string | undefined,
  layers: ReadonlyMap<string, T>,
): { readonly layers: readonly T[]; readonly isWhole: boolean } {
  const chain: T[] = [];
  for (let id = top; id !== undefined && id !== ''; ) {
    const layer = layers.get(id);
    // The length bounds a parent that leads back to its child.
    if (layer === undefined || chain.length >= layers.size) return { layers: chain, isWhole: false };
    chain.push(layer);
    id = layer.parent;
  }
  return { layers: chain, isWhole: true };
}

/** Ids of the layers below the given ones, those themselves included. */
export function layersBelow(
  tops: Iterable<string | undefined>,
  layers: ReadonlyMap<string, LayerRecord>,
): ReadonlySet<string> {
  const below = new Set<string>();
  for (const top of tops) {
    for (let id = top; id !== undefined && !below.has(id); id = layers.get(id)?.parent) below.add(id);
  }
  return below;
}

/** Digests of the manifests by which an image was pulled; more than one for a list of platforms. */
export function manifestDigests(record: ImageRecord): readonly string[] {
  const named = (record['big-data-names'] ?? [])
    .filter((name) => name === 'manifest' || name.startsWith('manifest-'))
    .map((name) => record['big-data-digests']?.[name]);
  return [...new Set([record.digest, ...named])].filter(
    (digest) => digest !== undefined && digest !== '',
  ) as string[];
}

/** Name of the file beside the record that holds a piece of an image's data (bigdata.go). */
export function bigDataFileName(key: string): string {
  return /^[a-z0-9.]*$/.test(key) ? key : `=${Buffer.from(key).toString('base64')}`;
}

/** Key of an image's configuration among its data. */
export function configKey(record: ImageRecord): string | undefined {
  const names = record['big-data-names'] ?? [];
  return (
    names.find((name) => name === `sha256:${record.id}`) ??
    names.find((name) => /^sha256:[0-9a-f]{64}$/.test(name))
  );
}
