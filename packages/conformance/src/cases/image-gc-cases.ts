import assert from 'node:assert/strict';
import { type GcPolicy, type ImageGcPolicy, normalizeImageReference } from '@podwright/core';
import { section } from '../conformance-case.js';
import { exitWith } from '../workloads.js';

/** Keeps all containers and pods: only images are looked at. */
const KEEP: GcPolicy = { minAgeMs: 0, maxPerPodContainer: -1, maxContainers: -1 };
/** Any image at all is too much: for dry runs only, as the store is the host's own. */
const ANY: ImageGcPolicy = { highPercent: 0, lowPercent: 0, minAgeMs: 0 };

export const imageGcCases = section('image-gc', {
  'room-enough': {
    title: 'no image is removed while the disk is emptier than the high threshold, or when it is 100 percent',
    run: async (t) => {
      const { id } = await t.pull(t.images.spare);
      const images: ImageGcPolicy = { highPercent: 100, lowPercent: 0, minAgeMs: 0 };
      const { removed } = await t.runtime.garbageCollect(KEEP, { images });
      assert.ok(!removed.some((text) => text.startsWith('image ')), removed.join('; '));
      assert.ok(await t.imageService.imageStatus(id));
    },
  },
  young: {
    title: 'an image that was seen first a moment ago is not to be removed',
    run: async (t) => {
      await t.imageService.removeImage(t.images.spare);
      await t.pull(t.images.spare);
      const images = { ...ANY, minAgeMs: 3_600_000 };
      const { removed } = await t.runtime.garbageCollect(KEEP, { images, dryRun: true });
      assert.ok(!names(removed, t.images.spare), removed.join('; '));
    },
  },
  policy: {
    title: 'a low threshold above the high one is an invalid argument',
    run: async (t) => {
      const images = { highPercent: 50, lowPercent: 60, minAgeMs: 0 };
      await t.rejects(t.runtime.garbageCollect(KEEP, { images }), 'invalid-argument');
    },
  },
  'dry-run': {
    title:
      'above the threshold a dry run names images, but for those that a container has, also when it has ended, and removes none',
    run: async (t) => {
      const id = await t.start(await t.sandbox(), exitWith(0), { image: t.images.spare });
      await t.ended(id);
      await t.pull(t.images.nonroot);
      const before = await t.imageService.listImages();
      const { removed } = await t.runtime.garbageCollect(KEEP, { images: ANY, dryRun: true });
      assert.ok(names(removed, t.images.nonroot), removed.join('; '));
      assert.ok(!names(removed, t.images.spare), removed.join('; '));
      assert.deepEqual(await t.imageService.listImages(), before);
    },
  },
});

/** Whether what was removed, or would be, has an image among it. */
function names(removed: readonly string[], reference: string): boolean {
  return removed.some((text) => text.startsWith(`image ${normalizeImageReference(reference)} `));
}
