import type { Image } from '@podwright/core';
import { formatAge, formatBytes } from './quantities.js';
import { formatTable } from './table.js';

const NONE = '<none>';
const SHORT_ID_LENGTH = 12;

/** Images for people, a line for each name. */
export function formatImages(images: readonly Image[], nowMs: number): string {
  return formatTable([
    ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'],
    ...images.flatMap((image) =>
      namesOf(image).map(([repository, tag]) => [
        repository,
        tag,
        shortImageId(image.id),
        image.createdAtMs === undefined ? '-' : `${formatAge(nowMs - image.createdAtMs)} ago`,
        formatBytes(image.sizeBytes),
      ]),
    ),
  ]);
}

export function shortImageId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, SHORT_ID_LENGTH);
}

function namesOf({ repoTags, repoDigests }: Image): readonly (readonly [string, string])[] {
  if (repoTags.length > 0) {
    return repoTags.map((name) => {
      const at = name.lastIndexOf(':');
      return [name.slice(0, at), name.slice(at + 1)];
    });
  }
  return [[repoDigests[0]?.split('@')[0] ?? NONE, NONE]];
}
