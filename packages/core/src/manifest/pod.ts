import { z } from 'zod';
import { crossCheck } from './cross-checks.js';
import { podSchema, volumeSchema } from './pod-schema.js';
import { type ManifestProblem, manifestError, problemsOfIssues } from './problems.js';

export type { PullPolicy } from './pull-policy.js';

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** A pod manifest after `parsePod`: a strict subset of Kubernetes' Pod v1, every default filled in, the uid set. */
export type Pod = DeepReadonly<z.output<typeof podSchema>>;
/** One entry of `spec.containers` or `spec.initContainers`. */
export type Container = Pod['spec']['containers'][number];
/** One entry of `spec.volumes`: with `hostPath` or with `emptyDir`. */
export type Volume = DeepReadonly<z.output<typeof volumeSchema>>;

/** Deeper than any manifest; what lies below is left to the schema to refuse. */
const DEEPEST = 16;

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
  if (!parsed.success) problems.push(...problemsOfIssues(manifest, parsed.error.issues));
  problems.push(...crossCheck(manifest));
  if (!parsed.success || problems.length > 0) throw manifestError(problems, parsed.error);
  return parsed.data;
}

/** The schema of a manifest as JSON Schema (2020-12), for editors. The rules between fields are not in it. */
export function podJsonSchema(): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(podSchema, { io: 'input' });
}

/** A copy without fields that are null or undefined, those of labels and annotations excepted. */
function withoutNulls(value: unknown, path: readonly PropertyKey[], problems: ManifestProblem[]): unknown {
  if (path.length > DEEPEST || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item, index) => withoutNulls(item, [...path, index], problems));
  // A label without a value is more likely a mistake than a wish to have no label.
  const isTextMap = path.length === 2 && path[0] === 'metadata';
  const entries = Object.entries(value).filter(([key, field]) => {
    // An object of any parser can have this as a key; in an object of ours it would be its prototype.
    if (key === '__proto__') {
      problems.push({ path: [...path, key].join('.'), message: 'is no name that a field or a key can have' });
    }
    return key !== '__proto__' && (isTextMap || (field !== null && field !== undefined));
  });
  return Object.fromEntries(
    entries.map(([key, field]) => [key, withoutNulls(field, [...path, key], problems)]),
  );
}
