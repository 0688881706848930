import { expect, it } from 'vitest';
import { isPinned } from './image-patterns.js';

const image = {
  id: `sha256:${'a'.repeat(64)}`,
  repoTags: ['docker.io/library/busybox:1.36', 'registry.k8s.io/pause:3.9'],
  repoDigests: [`docker.io/library/busybox@sha256:${'b'.repeat(64)}`],
};

it.each<[string, boolean]>([
  ['busybox:1.36', true],
  ['busybox', false],
  ['registry.k8s.io/pause:3.9', true],
  ['registry.k8s.io/*', true],
  ['*/pause:*', true],
  ['*:pinned', false],
  ['registryXk8s.io/*', false],
  ['docker.io/library/bus', false],
  [`busybox@sha256:${'b'.repeat(64)}`, true],
  [image.id, true],
  [`sha256:${'c'.repeat(64)}`, false],
  ['*', true],
])('%s pins: %s', (pattern, expected) => {
  expect(isPinned(image, [pattern])).toBe(expected);
});
