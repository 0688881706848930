import { formatImageReference, parseImageReference } from './image-reference.js';
import type { Image } from './model.js';

/**
 * Whether an image is one of those that garbage collection leaves alone.
 * @param patterns names as docker takes them, ids, or patterns in which `*` stands for any text:
 *   `registry.k8s.io/pause:3.9`, `docker.io/library/*`, `*:pinned`
 */
export function isPinned(
  image: Pick<Image, 'id' | 'repoTags' | 'repoDigests'>,
  patterns: readonly string[],
): boolean {
  const names = [image.id, ...image.repoTags, ...image.repoDigests];
  return patterns.some((pattern) => {
    if (!pattern.includes('*')) return names.includes(inFull(pattern));
    const source = pattern.split('*').map((part) => part.replaceAll(/[^a-zA-Z0-9]/g, '\\$&'));
    const matcher = new RegExp(`^${source.join('.*')}$`);
    return names.some((name) => matcher.test(name));
  });
}

function inFull(name: string): string {
  return /^sha256:[0-9a-f]{64}$/.test(name) ? name : formatImageReference(parseImageReference(name));
}
