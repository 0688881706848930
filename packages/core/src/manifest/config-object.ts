import type { z } from 'zod';
import { configMapSchema, secretSchema } from './config-object-schema.js';
import { crossCheckMetadata } from './metadata-checks.js';
import type { DeepReadonly } from './pod.js';
import { kindOf, type ManifestProblem, manifestError, problemAt, problemsOfIssues } from './problems.js';
import { withoutNulls } from './without-nulls.js';

/** A Kubernetes ConfigMap after parsing: defaults filled in, `binaryData` as base64 in one line. Plain JSON. */
export type ConfigMap = DeepReadonly<z.output<typeof configMapSchema>>;
/** A Kubernetes Secret after parsing: `stringData` merged into `data`, which is base64. Plain JSON. */
export type Secret = DeepReadonly<z.output<typeof secretSchema>>;
/** What volumes and environment variables take their content from; `configContent` gives the bytes. */
export type ConfigObject = ConfigMap | Secret;

/**
 * Reads a ConfigMap or a Secret. The input is not changed; reading the result again gives the same, so it can be kept as
 * JSON. Content is never told in errors.
 * @param input the manifest as an object, e.g. of a YAML or JSON parser
 * @throws PodwrightError kind `invalid-manifest` with all that is wrong, in words and as `details.problems`
 */
export function parseConfigObject(input: unknown): ConfigObject {
  const problems: ManifestProblem[] = [];
  const manifest = withoutNulls(input, [], problems);
  const kind = kindOf(manifest);
  if (kind !== 'ConfigMap' && kind !== 'Secret') {
    throw manifestError('object', [problemAt(manifest, ['kind'], 'has to be "ConfigMap" or "Secret"')]);
  }
  const parsed = (kind === 'ConfigMap' ? configMapSchema : secretSchema).safeParse(manifest);
  if (!parsed.success) problems.push(...problemsOfIssues(kind, manifest, parsed.error.issues));
  crossCheckMetadata(manifest, (path, message) => problems.push(problemAt(manifest, path, message)));
  // Without the cause: zod's error may hold the content.
  if (!parsed.success || problems.length > 0) throw manifestError(kind, problems);
  return parsed.data;
}

/** The bytes of each key, in the order of the manifest; of a ConfigMap those of `data` first. */
export function configContent(object: ConfigObject): ReadonlyMap<string, Buffer> {
  const encoded = object.kind === 'ConfigMap' ? object.binaryData : object.data;
  const texts = object.kind === 'ConfigMap' ? object.data : {};
  return new Map([
    ...Object.entries(texts).map(([key, value]) => [key, Buffer.from(value)] as const),
    ...Object.entries(encoded).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
  ]);
}
