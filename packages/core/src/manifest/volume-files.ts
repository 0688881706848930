import type { ConfigObject } from './config-object.js';
import { configContent } from './config-object.js';
import type { Pod, Volume } from './pod.js';
import { findKey, findObject, metadataField, type NodeCapacity, resourceField } from './value-lookup.js';

/** A file of a volume whose content the manifest decides. Who writes it applies the pod's fsGroup. */
export interface VolumeFile {
  /** Below the volume, relative: `tls/key.pem`. */
  readonly path: string;
  readonly content: Buffer;
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
}

export interface VolumeFilesContext {
  /** What the node has, for limits that a container leaves open. */
  readonly capacity?: NodeCapacity;
}

interface Scope extends VolumeFilesContext {
  readonly pod: Pod;
  readonly objects: readonly ConfigObject[];
  readonly what: string;
}

type Items = NonNullable<Volume['configMap']>['items'];
type DownwardItems = NonNullable<Volume['downwardAPI']>['items'];

/**
 * The files of a configMap, secret, projected or downwardAPI volume, sorted by path; undefined for the other kinds.
 * @param objects of any namespace; those of the pod's own are used
 * @throws PodwrightError kind `not-found` that names object, key and volume, unless it is optional;
 *   `failed-precondition` for a limit that only the node could tell
 * Source: Kubernetes, "ConfigMaps", "Secrets", "Projected Volumes", "Downward API".
 */
export function volumeFiles(
  pod: Pod,
  volume: Volume,
  objects: readonly ConfigObject[],
  context: VolumeFilesContext = {},
): readonly VolumeFile[] | undefined {
  const scope: Scope = { ...context, pod, objects, what: `Volume "${volume.name}"` };
  const files = filesOf(volume, scope);
  if (files === undefined) return undefined;
  // Of two files with one path the later wins, as in Kubernetes.
  const byPath = new Map(files.map((file) => [file.path, file]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function filesOf(volume: Volume, scope: Scope): readonly VolumeFile[] | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) return objectFiles('ConfigMap', configMap, configMap.defaultMode, scope);
  if (secret) return objectFiles('Secret', { ...secret, name: secret.secretName }, secret.defaultMode, scope);
  if (downwardAPI) return downwardFiles(downwardAPI.items, downwardAPI.defaultMode, scope);
  return projected?.sources.flatMap((source) => [
    ...(source.configMap ? objectFiles('ConfigMap', source.configMap, projected.defaultMode, scope) : []),
    ...(source.secret ? objectFiles('Secret', source.secret, projected.defaultMode, scope) : []),
    ...(source.downwardAPI ? downwardFiles(source.downwardAPI.items, projected.defaultMode, scope) : []),
  ]);
}

function objectFiles(
  kind: ConfigObject['kind'],
  { name, items, optional }: { readonly name: string; readonly items: Items; readonly optional: boolean },
  defaultMode: number,
  scope: Scope,
): readonly VolumeFile[] {
  const asker = { what: scope.what, optional };
  const object = findObject(kind, name, scope, asker);
  if (!object) return [];
  if (items.length === 0) {
    return [...configContent(object)].map(([path, content]) => ({ path, content, mode: defaultMode }));
  }
  return items.flatMap(({ key, path, mode = defaultMode }) => {
    const content = findKey(object, key, asker);
    return content === undefined ? [] : [{ path: cleanPath(path), content, mode }];
  });
}

function downwardFiles(
  items: DownwardItems,
  defaultMode: number,
  { pod, capacity }: Scope,
): readonly VolumeFile[] {
  return items.map(({ path, fieldRef, resourceFieldRef, mode = defaultMode }) => {
    const container = [...pod.spec.initContainers, ...pod.spec.containers].find(
      ({ name }) => name === resourceFieldRef?.containerName,
    );
    const text =
      resourceFieldRef && container
        ? resourceField(pod, container, resourceFieldRef, capacity)
        : metadataField(pod, fieldRef?.fieldPath ?? '');
    return { path: cleanPath(path), content: Buffer.from(text), mode };
  });
}

function cleanPath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}
