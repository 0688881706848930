import { declaredVolumes, type Image, isPinned, type OciImageConfig } from '@podwright/core';
import { nameParts } from './image-lookup.js';
import { type ImageRecord, type LayerRecord, manifestDigests } from './store-records.js';

/** The user of an image's configuration, as the CRI wants it: a number or a name; an empty one is 0. */
export function imageUser(
  user: string | undefined,
): { readonly uid: number } | { readonly username: string } {
  const name = (user ?? '').split(':')[0] ?? '';
  if (name === '') return { uid: 0 };
  return /^\d+$/.test(name) ? { uid: Number(name) } : { username: name };
}

/** What the contract shows of an image, with names and digests as podman shows them. */
export function toImage(
  record: ImageRecord,
  config: OciImageConfig,
  chain: readonly LayerRecord[],
  pinnedPatterns: readonly string[] = [],
): Image {
  const repoTags = new Set<string>();
  const repoDigests = new Set<string>();
  for (const name of record.names ?? []) {
    const parts = nameParts(name);
    if (parts === undefined) continue;
    if (parts.digest !== undefined) repoDigests.add(`${parts.repository}@${parts.digest}`);
    else repoTags.add(name);
    for (const digest of manifestDigests(record)) repoDigests.add(`${parts.repository}@${digest}`);
  }
  const createdAtMs = Date.parse(config.created ?? record.created ?? '');
  const dataBytes = Object.values(record['big-data-sizes'] ?? {}).reduce((sum, size) => sum + size, 0);
  const names = { id: `sha256:${record.id}`, repoTags: [...repoTags], repoDigests: [...repoDigests] };
  const volumes = declaredVolumes(config.config);
  return {
    ...names,
    sizeBytes: chain.reduce((sum, layer) => sum + (layer['diff-size'] ?? 0), dataBytes),
    ...(Number.isNaN(createdAtMs) ? {} : { createdAtMs }),
    ...imageUser(config.config?.User),
    labels: config.config?.Labels ?? {},
    ...(isPinned(names, pinnedPatterns) ? { pinned: true } : {}),
    ...(volumes.length === 0 ? {} : { volumes }),
  };
}
