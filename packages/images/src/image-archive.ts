import { PodwrightError, relativePathProblem } from '@podwright/core';
import { type Descriptor, isDescriptor } from './manifest.js';

/** Name of the one annotation that holds a full name (containerd, docker 25 and newer). */
const CONTAINERD_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';

/** Kinds of archives by what lies in them; a new `docker save` writes both forms, of which the OCI's keeps digests. */
export function archiveKind(members: readonly string[]): 'oci' | 'docker' | undefined {
  const top = new Set(members.map((member) => member.replace(/^\.\//, '')));
  if (top.has('oci-layout') && top.has('index.json')) return 'oci';
  return top.has('manifest.json') ? 'docker' : undefined;
}

/** The entries of an OCI layout's index.json. @throws PodwrightError kind `invalid-argument` */
export function layoutManifests(text: string, path: string): readonly Descriptor[] {
  const parsed = parseJson(text, path, 'index.json');
  const manifests = isObject(parsed) ? parsed['manifests'] : undefined;
  if (!Array.isArray(manifests) || manifests.length === 0 || !manifests.every(isDescriptor)) {
    throw new PodwrightError('invalid-argument', `${path} holds no image: its index.json lists none.`);
  }
  return manifests;
}

/** The names that an entry of an OCI layout's index gives its image, as `docker load` reads them. */
export function layoutNames(manifest: Descriptor): readonly string[] {
  const name = manifest.annotations?.[CONTAINERD_NAME] ?? manifest.annotations?.[REF_NAME];
  return name === undefined || name === '' ? [] : [name];
}

/** An image of a `docker save` archive. */
export interface DockerArchiveEntry {
  /** Name of the configuration's file in the archive. */
  readonly config: string;
  readonly names: readonly string[];
}

/**
 * The entries of a docker archive's manifest.json.
 * @throws PodwrightError kind `invalid-argument`, also for names of files that no archive has of its own: absolute ones,
 *   those with `..`, and those that a program would take for an option
 */
export function dockerArchiveEntries(text: string, path: string): readonly DockerArchiveEntry[] {
  const parsed = parseJson(text, path, 'manifest.json');
  const entries = (Array.isArray(parsed) ? parsed : []).map((entry: unknown) => {
    const [config, tags] = isObject(entry) ? [entry['Config'], entry['RepoTags'] ?? []] : [];
    if (typeof config !== 'string' || !isTextList(tags)) {
      throw new PodwrightError(
        'invalid-argument',
        `${path} is no docker archive: its manifest.json is of another form.`,
      );
    }
    const problem = memberProblem(config);
    if (problem !== undefined) {
      throw new PodwrightError(
        'invalid-argument',
        `${path} is no docker archive: in its manifest.json the configuration ${JSON.stringify(config)} ${problem}.`,
      );
    }
    return { config, names: tags };
  });
  if (entries.length === 0) throw new PodwrightError('invalid-argument', `${path} holds no image.`);
  return entries;
}

function memberProblem(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  return name.startsWith('-') ? 'must not begin with "-"' : relativePathProblem(name);
}

function parseJson(text: string, path: string, member: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PodwrightError('invalid-argument', `${path} is damaged: its ${member} is no JSON.`, { cause });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
