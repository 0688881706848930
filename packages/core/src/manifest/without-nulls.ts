import type { ManifestProblem } from './problems.js';

/** Deeper than any manifest; what lies below is left to the schema to refuse. */
const DEEPEST = 16;
/** Of ConfigMaps and Secrets. */
const CONTENT_FIELDS: readonly PropertyKey[] = ['data', 'binaryData', 'stringData'];

/** A copy without fields that are null or undefined, those of labels, annotations and contents excepted. */
export function withoutNulls(
  value: unknown,
  path: readonly PropertyKey[],
  problems: ManifestProblem[],
): unknown {
  if (path.length > DEEPEST || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item, index) => withoutNulls(item, [...path, index], problems));
  // A label without a value is more likely a mistake than a wish to have no label.
  const isTextMap =
    (path.length === 2 && path[0] === 'metadata') ||
    (path.length === 1 && CONTENT_FIELDS.includes(path[0] ?? ''));
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
