import { z } from 'zod';
import { configMapSchema, secretSchema } from './config-object-schema.js';
import { nearestName } from './nearest-name.js';
import { podSchema } from './pod-schema.js';
import { UNSUPPORTED_FIELDS } from './unsupported-fields.js';

/** The kinds of objects that a manifest can have. */
export type ManifestKind = 'Pod' | 'ConfigMap' | 'Secret';

/** A field of a Kubernetes Pod. */
export interface ManifestField {
  /** Without indexes of lists: `spec.containers.ports.hostPort`. */
  readonly path: string;
  readonly supported: boolean;
  /** For what is not supported: why, or what to do instead. */
  readonly advice?: string;
}

const SCHEMAS: Readonly<Record<ManifestKind, z.ZodType>> = {
  Pod: podSchema,
  ConfigMap: configMapSchema,
  Secret: secretSchema,
};

/**
 * All fields of a Pod: those that this library takes in the order of its schema, and in each object after them those
 * that Kubernetes has there too and that are refused.
 */
export function manifestFields(): readonly ManifestField[] {
  return [...fieldNames('Pod')].flatMap(([object, names]) => [
    ...names.map((name) => ({ path: joined(object, name), supported: true })),
    ...Object.entries(unsupported('Pod', object)).map(([name, advice]) => ({
      path: joined(object, name),
      supported: false,
      advice,
    })),
  ]);
}

/** Says of a field that the schema does not take what can be done about it. */
export function unknownFieldMessage(
  kind: ManifestKind,
  objectPath: readonly PropertyKey[],
  field: string,
): string {
  const object = objectPath.filter((part) => typeof part === 'string').join('.');
  const others = unsupported(kind, object);
  if (Object.hasOwn(others, field)) return `is not supported by Podwright: ${others[field]}`;
  const supported = fieldNames(kind).get(object) ?? [];
  const nearest = nearestName(field, [...supported, ...Object.keys(others)]);
  const suggestion = nearest === undefined ? '' : `: did you mean "${nearest}"?`;
  return suggestion || supported.length === 0
    ? `is no field of a Kubernetes ${kind}${suggestion}`
    : `is no field of a Kubernetes ${kind}: here are allowed ${supported.join(', ')}`;
}

function unsupported(kind: ManifestKind, object: string): Readonly<Record<string, string>> {
  if (kind !== 'Pod' && object !== 'metadata') return {};
  return (Object.hasOwn(UNSUPPORTED_FIELDS, object) && UNSUPPORTED_FIELDS[object]) || {};
}

type FieldNames = ReadonlyMap<string, readonly string[]>;
const known = new Map<ManifestKind, FieldNames>();

/** The fields of each object of a kind, by the object's path; read from the schema, once. */
function fieldNames(kind: ManifestKind): FieldNames {
  const before = known.get(kind);
  if (before) return before;
  const names = new Map<string, readonly string[]>();
  collectNames(z.toJSONSchema(SCHEMAS[kind], { io: 'input' }), '', names);
  known.set(kind, names);
  return names;
}

function collectNames(
  schema: z.core.JSONSchema._JSONSchema,
  path: string,
  into: Map<string, readonly string[]>,
) {
  if (typeof schema === 'boolean') return;
  if (schema.items !== undefined && !Array.isArray(schema.items)) collectNames(schema.items, path, into);
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return;
  into.set(
    path,
    properties.map(([name]) => name),
  );
  for (const [name, field] of properties) collectNames(field, joined(path, name), into);
}

function joined(object: string, name: string): string {
  return object === '' ? name : `${object}.${name}`;
}
