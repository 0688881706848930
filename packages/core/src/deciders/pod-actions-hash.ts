import { createHash } from 'node:crypto';
import type { Container, Pod } from '../manifest/pod.js';
import type { ContainerResources, RestartOwner } from '../model.js';
import { NETWORK_ANNOTATIONS } from '../network-annotations.js';
import type { PodSandboxConfig, PodSandboxStatus } from '../sandbox-types.js';

/** Annotation of a container: `containerHash` of the manifest it was made of. */
export const CONTAINER_HASH_ANNOTATION = 'podwright.dev/spec-hash';
/** Annotation of a container, and of a sandbox: limits and requests it was made with, as JSON of `ContainerResources`. */
export const RESOURCES_ANNOTATION = 'podwright.dev/resources';
/** Annotation of a sandbox: `sandboxHash` of its configuration. */
export const SANDBOX_HASH_ANNOTATION = 'podwright.dev/sandbox-hash';

/** Defaults that are no empty value: a field with its default counts as absent, so that a default more changes no hash. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  protocol: 'TCP',
  mountPropagation: 'None',
  recursiveReadOnly: 'Disabled',
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
};

/** Fields of which `false` does not say the same as their absence. */
const TELLING_FALSE: ReadonlySet<string> = new Set(['allowPrivilegeEscalation', 'runAsNonRoot']);

/**
 * Tells whether a running container is still what its manifest says. In it is what the container is made of, and of the
 * pod what reaches into it. Not in it: its probes, of which a running container knows nothing; the image's pull policy;
 * CPU and memory, which are compared by themselves, because they can be changed live.
 * @param restart a backend that restarts has its policy in the container
 */
export function containerHash(pod: Pod, container: Container, restart: RestartOwner): string {
  const {
    imagePullPolicy: _policy,
    resizePolicy: _resize,
    livenessProbe: _liveness,
    readinessProbe: _readiness,
    startupProbe: _startup,
    ...made
  } = container;
  const mounted = new Set(container.volumeMounts.map(({ name }) => name));
  return hashOf({
    container: {
      ...made,
      resources: {
        limits: { ...container.resources.limits, cpu: undefined, memory: undefined },
        requests: { ...container.resources.requests, cpu: undefined, memory: undefined },
      },
    },
    volumes: pod.spec.volumes.filter(({ name }) => mounted.has(name)),
    securityContext: { ...pod.spec.securityContext, sysctls: undefined },
    restart: restart.by === 'backend' ? restart : undefined,
  });
}

/**
 * Tells whether a sandbox is still what its manifest says: all of its configuration but labels, limits, and annotations
 * other than those that its network is made by.
 */
export function sandboxHash(config: PodSandboxConfig): string {
  const { metadata: _metadata, labels: _labels, annotations, resources: _limits, ...made } = config;
  const isNetworked = config.network === 'pod';
  const network = isNetworked ? NETWORK_ANNOTATIONS.map((name) => [name, annotations[name]] as const) : [];
  return hashOf({ ...made, networkAnnotations: Object.fromEntries(network) });
}

/**
 * The limits of a pod as a whole, as they are now; undefined for a sandbox of which they are not known.
 * @param resized limits that were changed since a sandbox was made, by its id
 */
export function podResourcesNow(
  { id, annotations }: PodSandboxStatus,
  resized: Readonly<Record<string, ContainerResources>>,
): ContainerResources | undefined {
  return resized[id] ?? resourcesOf(annotations[RESOURCES_ANNOTATION]);
}

/** What a container's `RESOURCES_ANNOTATION` says; undefined when it has none that can be read. */
export function resourcesOf(annotation: string | undefined): ContainerResources | undefined {
  if (annotation === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(annotation);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(value)) ?? '')
    .digest('hex')
    .slice(0, 16);
}

/** Without what says nothing: absent, empty, false but where it tells something, and defaults; keys in order. */
function canonical(value: unknown, key?: string): unknown {
  if (Array.isArray(value))
    return value.length === 0 ? undefined : value.map((item) => canonical(item) ?? null);
  if (typeof value !== 'object' || value === null) {
    const isTelling = value === false && key !== undefined && TELLING_FALSE.has(key);
    return isTelling || (value !== false && value !== '') ? value : undefined;
  }
  const fields = Object.entries(value)
    .map(([key, field]) => [key, DEFAULTS[key] === field ? undefined : canonical(field, key)] as const)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}
