import { PodwrightError } from '../errors.js';
import type { EnvVar } from '../model.js';
import { type ConfigObject, configContent } from './config-object.js';
import { expandVariables } from './expansion.js';
import { envNameProblem, relativePathProblem } from './names.js';
import type { Container, Pod } from './pod.js';
import { findKey, findObject, metadataField, type NodeCapacity, resourceField } from './value-lookup.js';

/** What the manifest of a container may ask for and does not have itself. */
export interface ContainerEnvContext {
  /** Of any namespace; those of the pod's own are used. */
  readonly objects: readonly ConfigObject[];
  /** The first one is `status.podIP`; of a pod in the node's network they are the node's. */
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  readonly nodeName: string;
  /** What the node has, for limits that the container leaves open. */
  readonly capacity?: NodeCapacity;
}

export interface ContainerEnv {
  readonly env: readonly EnvVar[];
  /** Keys of `envFrom` that cannot be names of variables: left out, as in Kubernetes, which tells of them in an event. */
  readonly skipped: readonly SkippedKeys[];
}

export interface SkippedKeys {
  readonly kind: ConfigObject['kind'];
  readonly name: string;
  readonly keys: readonly string[];
}

type EnvEntry = Container['env'][number];

/**
 * The environment of a container: first `envFrom`, where a later source wins, then `env`, which wins over it. `$(VAR)` in
 * a value stands for what came before; what is taken from elsewhere (`valueFrom`, `envFrom`) is not expanded.
 * @throws PodwrightError kind `not-found` that names object, key and variable, unless it is optional;
 *   `failed-precondition` for a limit that only the node could tell; `invalid-argument` for content with a NUL
 * Source: Kubernetes, "Define Environment Variables for a Container"; kubelet's makeEnvironmentVariables.
 */
export function containerEnv(pod: Pod, container: Container, context: ContainerEnvContext): ContainerEnv {
  const values = new Map<string, string>();
  const skipped: SkippedKeys[] = [];
  for (const source of container.envFrom) {
    const object = sourceObject(pod, container, source, context.objects);
    if (!object) continue;
    const entries = textEntries(object).map(([key, value]) => ({
      name: `${source.prefix}${key}`,
      key,
      value,
    }));
    const invalid = entries.filter(({ name }) => envNameProblem(name) !== undefined);
    if (invalid.length > 0) {
      skipped.push({ kind: object.kind, name: object.metadata.name, keys: invalid.map(({ key }) => key) });
    }
    for (const { name, value } of entries.filter((entry) => !invalid.includes(entry))) {
      values.set(name, checked(value, name, container));
    }
  }
  for (const entry of container.env) {
    const value = entry.valueFrom
      ? valueFrom(pod, container, entry, entry.valueFrom, context)
      : expandVariables(entry.value, values);
    if (value !== undefined) values.set(entry.name, checked(value, entry.name, container));
  }
  return { env: [...values].map(([name, value]) => ({ name, value })), skipped };
}

/**
 * The path of a `subPathExpr` with the container's environment in place of `$(VAR)`.
 * @throws PodwrightError kind `failed-precondition` for an unknown variable, or when the path would leave the volume
 */
export function expandSubPath(expression: string, env: readonly EnvVar[]): string {
  const variables = new Map(env.map(({ name, value }) => [name, value]));
  const unknown = [...expression.matchAll(/\$\$|\$\(([^)]*)\)/g)].find(
    ([, name]) => name !== undefined && !variables.has(name),
  );
  const path = expandVariables(expression, variables);
  if (unknown === undefined && relativePathProblem(path) === undefined) return path;
  const why =
    unknown === undefined
      ? `it would be ${JSON.stringify(path)}, which ${relativePathProblem(path)}`
      : `the container has no variable ${unknown[1]}`;
  throw new PodwrightError(
    'failed-precondition',
    `subPathExpr ${expression} is no path in the volume: ${why}.`,
    {
      details: { expression },
    },
  );
}

function sourceObject(
  pod: Pod,
  container: Container,
  { configMapRef, secretRef }: Container['envFrom'][number],
  objects: readonly ConfigObject[],
): ConfigObject | undefined {
  const reference = configMapRef ?? secretRef;
  if (!reference) return undefined;
  const asker = { what: `envFrom of container "${container.name}"`, optional: reference.optional };
  return findObject(configMapRef ? 'ConfigMap' : 'Secret', reference.name, { pod, objects }, asker);
}

/** Binary data of a ConfigMap is for files only. */
function textEntries(object: ConfigObject): readonly (readonly [string, string])[] {
  if (object.kind === 'ConfigMap') return Object.entries(object.data);
  return [...configContent(object)].map(([key, value]) => [key, value.toString()] as const);
}

function valueFrom(
  pod: Pod,
  container: Container,
  { name }: EnvEntry,
  { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef }: NonNullable<EnvEntry['valueFrom']>,
  context: ContainerEnvContext,
): string | undefined {
  if (fieldRef) return field(pod, fieldRef.fieldPath, context);
  if (resourceFieldRef) {
    const named = [...pod.spec.initContainers, ...pod.spec.containers].find(
      (other) => other.name === resourceFieldRef.containerName,
    );
    return resourceField(pod, named ?? container, resourceFieldRef, context.capacity);
  }
  const reference = configMapKeyRef ?? secretKeyRef;
  if (!reference) return undefined;
  const asker = {
    what: `The variable ${name} of container "${container.name}"`,
    optional: reference.optional,
  };
  const scope = { pod, objects: context.objects };
  const object = findObject(configMapKeyRef ? 'ConfigMap' : 'Secret', reference.name, scope, asker);
  return object && findKey(object, reference.key, asker)?.toString();
}

function field(pod: Pod, path: string, { podIps, hostIps, nodeName }: ContainerEnvContext): string {
  switch (path) {
    case 'spec.nodeName':
      return nodeName;
    case 'status.podIP':
      return podIps[0] ?? '';
    case 'status.podIPs':
      return podIps.join(',');
    case 'status.hostIP':
      return hostIps[0] ?? '';
    case 'status.hostIPs':
      return hostIps.join(',');
    default:
      return metadataField(pod, path);
  }
}

function checked(value: string, name: string, container: Container): string {
  if (!value.includes('\0')) return value;
  throw new PodwrightError(
    'invalid-argument',
    `The variable ${name} of container "${container.name}" would have a NUL character, which no variable can have: ` +
      'mount the object as a volume.',
    { details: { container: container.name, variable: name } },
  );
}
