import { z } from 'zod';
import { crossCheck } from './cross-checks.js';
import { podSchema } from './pod-schema.js';
import { type ManifestProblem, manifestError, problemsOfIssues } from './problems.js';
import { withoutNulls } from './without-nulls.js';

export type { PullPolicy } from './pull-policy.js';

export type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** A pod manifest after `parsePod`: a strict subset of Kubernetes' Pod v1, every default filled in, the uid set. */
export type Pod = DeepReadonly<z.output<typeof podSchema>>;
/** One entry of `spec.containers` or `spec.initContainers`. */
export type Container = Pod['spec']['containers'][number];
/** One entry of `spec.volumes`: beside its name it has one source, such as `hostPath` or `configMap`. */
export type Volume = Pod['spec']['volumes'][number];

/**
 * Reads a pod manifest, fills in Kubernetes' defaults and a new uid where it has none. The input is not changed; reading
 * the result again gives the same. Fields that are null or undefined count as absent, as in Kubernetes.
 * @param input the manifest as an object, e.g. of a YAML or JSON parser
 * @throws PodwrightError kind `invalid-manifest` with all that is wrong, in words and as `details.problems`
 */
export function parsePod(input: unknown): Pod {
  const problems: ManifestProblem[] = [];
  const manifest = withoutNulls(input, [], problems);
  const parsed = podSchema.safeParse(manifest);
  if (!parsed.success) problems.push(...problemsOfIssues('Pod', manifest, parsed.error.issues));
  problems.push(...crossCheck(manifest));
  if (!parsed.success || problems.length > 0) throw manifestError('pod manifest', problems, parsed.error);
  return parsed.data;
}

/** The schema of a manifest as JSON Schema (2020-12), for editors. The rules between fields are not in it. */
export function podJsonSchema(): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(podSchema, { io: 'input' });
}
