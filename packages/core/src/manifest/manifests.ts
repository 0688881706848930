import { messageOf, PodwrightError } from '../errors.js';
import { type ConfigObject, parseConfigObject } from './config-object.js';
import { type Pod, parsePod } from './pod.js';
import type { ManifestProblem } from './problems.js';

/** What the documents of a manifest hold, each in the order of the documents. */
export interface Manifests {
  readonly pods: readonly Pod[];
  readonly objects: readonly ConfigObject[];
}

interface Failure {
  readonly where: string;
  readonly error: unknown;
}

/**
 * Reads the documents of a manifest: Pods, ConfigMaps, Secrets, and Lists of them. Empty documents are passed over.
 * @param documents as a YAML or JSON parser gives them; counted from 1 in errors
 * @throws PodwrightError kind `invalid-manifest` with all that is wrong, and in which document
 */
export function parseManifests(documents: readonly unknown[]): Manifests {
  const pods: Pod[] = [];
  const objects: ConfigObject[] = [];
  const failures: Failure[] = [];
  const seen = new Map<string, string>();
  const read = (input: unknown, where: string): void => {
    try {
      const object = parseOne(input);
      const { kind, metadata } = object;
      const name = `${kind} ${metadata.namespace}/${metadata.name}`;
      refuseSecond(seen, name, where);
      if (object.kind !== 'Pod') objects.push(object);
      else {
        refuseSecond(seen, `Pod with the uid ${object.metadata.uid}`, where);
        pods.push(object);
      }
    } catch (error) {
      if (!PodwrightError.is(error, 'invalid-manifest')) throw error;
      failures.push({ where, error });
    }
  };
  for (const [index, document] of documents.entries()) {
    if (document === null || document === undefined) continue;
    const where = `Document ${index + 1}`;
    const items = itemsOf(document);
    if (items === undefined) read(document, where);
    else for (const [place, item] of items.entries()) read(item, `${where}, items[${place}]`);
  }
  if (failures.length > 0) throw manifestsError(failures, documents.length);
  return { pods, objects };
}

const KINDS = 'a Pod, a ConfigMap, a Secret or a List of these, of apiVersion v1';

function parseOne(input: unknown): Pod | ConfigObject {
  const { kind } = isObject(input) ? input : {};
  if (kind === 'Pod') return parsePod(input);
  if (kind === 'ConfigMap' || kind === 'Secret') return parseConfigObject(input);
  const found = kind === undefined ? 'it has no kind' : `its kind is ${JSON.stringify(kind)}`;
  const advice = WORKLOADS.includes(String(kind)) ? ' There is nothing here that would make pods of it.' : '';
  throw new PodwrightError('invalid-manifest', `It has to be ${KINDS}: ${found}.${advice}`, {
    details: { problems: [{ path: 'kind', message: `has to be the kind of ${KINDS}`, value: kind }] },
  });
}

const WORKLOADS = ['Deployment', 'DaemonSet', 'StatefulSet', 'ReplicaSet', 'Job', 'CronJob'];

/** The items of a List; undefined for another kind. */
function itemsOf(document: unknown): readonly unknown[] | undefined {
  if (!isObject(document) || document['kind'] !== 'List' || document['apiVersion'] !== 'v1') return undefined;
  const items = document['items'] ?? [];
  return Array.isArray(items) ? items : undefined;
}

function refuseSecond(seen: Map<string, string>, name: string, where: string): void {
  const first = seen.get(name);
  if (first === undefined) {
    seen.set(name, where);
    return;
  }
  throw new PodwrightError(
    'invalid-manifest',
    `The ${name} stands in ${first} already: give each one once.`,
    {
      details: { problems: [{ path: 'metadata.name', message: `is the name of ${first}` }] },
    },
  );
}

function manifestsError(failures: readonly Failure[], count: number): PodwrightError {
  const [first] = failures;
  if (count === 1 && failures.length === 1 && PodwrightError.is(first?.error)) return first.error;
  const problems = failures.flatMap(({ where, error }) =>
    problemsOf(error).map((problem) => ({ ...problem, path: `${where}: ${problem.path}` })),
  );
  const lines = failures.map(({ where, error }) => `${where}: ${messageOf(error)}`);
  return new PodwrightError('invalid-manifest', lines.join('\n'), { details: { problems } });
}

function problemsOf(error: unknown): readonly ManifestProblem[] {
  const problems = PodwrightError.is(error) ? error.details['problems'] : undefined;
  return Array.isArray(problems) ? problems : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
