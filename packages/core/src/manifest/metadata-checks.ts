import { z } from 'zod';
import { annotationsSizeProblem, labelValueProblem, qualifiedNameProblem } from './names.js';
import type { Report } from './pod-view.js';

const texts = z.record(z.string(), z.string().catch('')).catch({});
const metadataView = z.object({
  metadata: z.object({ labels: texts, annotations: texts }).partial().catch({}),
});

/** Keys and values of labels and annotations, of an object of any kind. */
export function crossCheckMetadata(input: unknown, report: Report): void {
  const parsed = metadataView.safeParse(input);
  if (!parsed.success) return;
  const { labels = {}, annotations = {} } = parsed.data.metadata;
  for (const [key, value] of Object.entries(labels)) {
    const path = ['metadata', 'labels', key];
    reportKey(key, path, report);
    const problem = labelValueProblem(value);
    if (problem) report(path, problem);
  }
  for (const key of Object.keys(annotations)) {
    // Kubernetes compares the keys of annotations in lower case; labels as they are.
    reportKey(key.toLowerCase(), ['metadata', 'annotations', key], report);
  }
  const size = annotationsSizeProblem(annotations);
  if (size) report(['metadata', 'annotations'], size);
}

function reportKey(key: string, path: readonly PropertyKey[], report: Report): void {
  const problem = qualifiedNameProblem(key);
  if (problem) report(path, `has a key that ${problem}`);
}
