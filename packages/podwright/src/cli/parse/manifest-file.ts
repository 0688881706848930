import { readFile } from 'node:fs/promises';
import {
  type ConfigObject,
  type Manifests,
  messageOf,
  PodwrightError,
  parseManifests,
} from '@podwright/core';
import { parseAllDocuments, type Tags } from 'yaml';
import type { CliContext } from '../cli-context.js';

/** What a manifest file holds, and its documents as they were written. */
export interface ManifestFile extends Manifests {
  readonly documents: readonly unknown[];
}

/**
 * Reads Pods, ConfigMaps and Secrets out of a file in YAML or JSON.
 * @param path `-`: standard input
 * @throws PodwrightError kind `not-found`, and `invalid-manifest` for all documents that are wrong
 */
export async function readManifestFile(context: CliContext, path: string): Promise<ManifestFile> {
  const source = path === '-' ? 'standard input' : path;
  const documents = parseDocuments(await readText(context, path), source);
  try {
    return { ...parseManifests(documents), documents };
  } catch (error) {
    if (!PodwrightError.is(error, 'invalid-manifest')) throw error;
    throw new PodwrightError('invalid-manifest', `${source}: ${error.message}`, {
      cause: error,
      details: error.details,
    });
  }
}

/** Those that a pod may use: of its namespace. */
export function objectsFor(namespace: string, objects: readonly ConfigObject[]): readonly ConfigObject[] {
  return objects.filter(({ metadata }) => metadata.namespace === namespace);
}

async function readText({ stdin }: CliContext, path: string): Promise<string> {
  if (path === '-') return Buffer.concat(await stdin.toArray()).toString('utf8');
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new PodwrightError('not-found', `The manifest ${path} cannot be read: ${messageOf(cause)}.`, {
      cause,
      details: { path },
    });
  }
}

/** As Kubernetes reads YAML: of version 1.1, in which 0644 is octal, but without its dates and numbers to the base 60. */
export function parseDocuments(text: string, source: string): readonly unknown[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true, version: '1.1', customTags: withoutTimes });
  const problem = 'empty' in documents ? undefined : documents.flatMap(({ errors }) => errors)[0];
  if (problem !== undefined) {
    throw new PodwrightError('invalid-manifest', `${source} is neither YAML nor JSON: ${problem.message}`);
  }
  return [...documents].map((document): unknown => document.toJS());
}

function withoutTimes(tags: Tags): Tags {
  return tags.filter(
    (tag) =>
      typeof tag === 'string' ||
      !(tag.tag === 'tag:yaml.org,2002:timestamp' || ('format' in tag && tag.format === 'TIME')),
  );
}
