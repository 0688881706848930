import { createHash } from 'node:crypto';
import { type ConfigObject, messageOf, type Pod, PodwrightError, parseManifests } from '@podwright/core';
import { objectsFor, parseDocuments } from '../cli/parse/manifest-file.js';

/** Annotation of a pod that was read from a file: the file's name, by which a later agent knows whose it is. */
export const STATIC_FILE_ANNOTATION = 'podwright.dev/static-file';

/**
 * Annotation of a pod that was read from a file: a hash of what the file said of it, in whatever order. The manifest of a
 * pod's record would not tell a changed file: limits that were changed live are in it, and the defaults of its time.
 */
export const STATIC_HASH_ANNOTATION = 'podwright.dev/static-hash';

/** A pod of a manifest file, with what of the file it may name. */
export interface StaticPod {
  readonly file: string;
  readonly pod: Pod;
  readonly objects: readonly ConfigObject[];
}

/** What a directory of manifests says. */
export interface StaticManifests {
  readonly pods: readonly StaticPod[];
  /** Files that could not be read, by name; pods that came from them before are left alone. */
  readonly failures: ReadonlyMap<string, Error>;
}

/**
 * Reads the manifests of a directory. A pod without a uid gets one made of its file, namespace and name, so that each agent
 * finds the pods of the one before.
 * @param files text, or why it could not be read, by the file's name
 */
export function readStaticManifests(files: ReadonlyMap<string, string | Error>): StaticManifests {
  const pods: StaticPod[] = [];
  const failures = new Map<string, Error>();
  const taken = new Map<string, string>();
  for (const [file, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    try {
      const found = podsIn(file, text);
      refuseTaken(file, found, taken);
      pods.push(...found);
    } catch (error) {
      failures.set(file, error instanceof Error ? error : new Error(messageOf(error)));
    }
  }
  return { pods, failures };
}

/** Whether a file of the directory is a manifest by its name. */
export function isManifestName(name: string): boolean {
  return !name.startsWith('.') && /\.(yaml|yml|json)$/.test(name);
}

function podsIn(file: string, text: string | Error): readonly StaticPod[] {
  if (typeof text !== 'string') throw text;
  const documents = parseDocuments(text, file).map((document) => withIdentity(document, file));
  const { pods, objects } = parseManifests(documents);
  return pods.map((pod) => ({ file, pod, objects: objectsFor(pod.metadata.namespace, objects) }));
}

/** Two files with one pod: the first of them has it, so that the other one harms nobody. */
function refuseTaken(file: string, pods: readonly StaticPod[], taken: Map<string, string>): void {
  const names = pods.flatMap(({ pod: { metadata } }) => [
    `the pod ${metadata.namespace}/${metadata.name}`,
    `a pod with the uid ${metadata.uid}`,
  ]);
  const name = names.find((each) => taken.has(each));
  if (name !== undefined) {
    throw new PodwrightError('already-exists', `The file ${taken.get(name)} has ${name} already.`);
  }
  for (const each of names) taken.set(each, file);
}

/** A pod as it was written, with its uid and with what a later agent knows it by. */
function withIdentity(document: unknown, file: string): unknown {
  if (!isObject(document)) return document;
  if (document['kind'] === 'List' && Array.isArray(document['items'])) {
    return { ...document, items: document['items'].map((item: unknown) => withIdentity(item, file)) };
  }
  const { kind, metadata } = document;
  if (kind !== 'Pod' || !isObject(metadata) || typeof metadata['name'] !== 'string') return document;
  // Null counts as absent, as everywhere in a manifest.
  const namespace = metadata['namespace'] ?? 'default';
  const uid = metadata['uid'] ?? uidOf(file, String(namespace), metadata['name']);
  const own = metadata['annotations'] ?? {};
  const noted = { [STATIC_FILE_ANNOTATION]: file, [STATIC_HASH_ANNOTATION]: hashOf(document).slice(0, 16) };
  const annotations = isObject(own) ? { ...own, ...noted } : own;
  return { ...document, metadata: { ...metadata, uid, annotations } };
}

/** A UUID of version 8 (RFC 9562): made of a hash. */
function uidOf(...names: readonly string[]): string {
  const hex = hashOf(names);
  const variant = (Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant.toString(16)}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Of a value out of YAML or JSON; the order of keys says nothing. */
function hashOf(value: unknown): string {
  const text = JSON.stringify(value, (_key, field: unknown) =>
    isObject(field) ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1))) : field,
  );
  return createHash('sha256').update(text).digest('hex');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
