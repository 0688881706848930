import { messageOf, type PodRecord, PodwrightError, parseConfigObject, parsePod } from '@podwright/core';

/** Format of the files; a reader takes its own and older ones. */
const VERSION = 1;
const STATES = ['preparing', 'starting', 'running', 'killed'] as const;

/** A pod's record is the file `<uid>.json`. */
export const RECORD_SUFFIX = '.json';

export function formatRecordFile(record: PodRecord): string {
  return `${JSON.stringify({ version: VERSION, ...record })}\n`;
}

/** @throws PodwrightError kind `corrupt-state`, `failed-precondition` for a file of a newer version */
export function parseRecordFile(path: string, text: string): PodRecord {
  const corrupt = (reason: string, cause?: unknown) =>
    new PodwrightError(
      'corrupt-state',
      `The state file ${path} cannot be read: ${reason}. Move it away to start without this pod; what is left of the pod is then collected as a forgotten one.`,
      { cause, details: { path } },
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Without the cause: a parser's words quote the text, which may hold a secret.
    throw corrupt('it is no JSON');
  }
  if (typeof value !== 'object' || value === null) throw corrupt('it is no object');
  const fields: Record<string, unknown> = { ...value };
  const { version, uid, namespace, name, manifest, createdAtMs, state } = fields;
  if (typeof version === 'number' && version > VERSION) {
    throw new PodwrightError(
      'failed-precondition',
      `The state file ${path} has version ${version}, written by a newer Podwright; this one reads up to version ${VERSION}. Use the newer one.`,
      { details: { path, version } },
    );
  }
  if (version !== VERSION) throw corrupt('it has no version');
  const knownState = STATES.find((candidate) => candidate === state);
  if (
    typeof uid !== 'string' ||
    typeof namespace !== 'string' ||
    typeof name !== 'string' ||
    typeof createdAtMs !== 'number' ||
    knownState === undefined
  ) {
    throw corrupt('uid, namespace, name, createdAtMs or state is missing or wrong');
  }
  if (`${uid}${RECORD_SUFFIX}` !== path.slice(path.lastIndexOf('/') + 1)) throw corrupt(`it is about ${uid}`);
  try {
    const facts = { uid, namespace, name, createdAtMs, state: knownState, manifest: parsePod(manifest) };
    return { ...facts, ...optionalFields(fields) };
  } catch (error) {
    throw corrupt(messageOf(error), error);
  }
}

type OptionalFields = Partial<
  Pick<PodRecord, 'objects' | 'persist' | 'reason' | 'message' | 'resized' | 'owed' | 'unhealthy'>
>;

/** What not every record has. @throws Error when one is there and has a wrong form */
function optionalFields(fields: Readonly<Record<string, unknown>>): OptionalFields {
  const { objects, persist, reason, message, resized, owed, unhealthy } = fields;
  return {
    ...(objects === undefined ? {} : { objects: listIn('objects', objects).map(parseConfigObject) }),
    ...(persist === undefined ? {} : { persist: persist === true }),
    ...(reason === undefined ? {} : { reason: String(reason) }),
    ...(message === undefined ? {} : { message: String(message) }),
    ...(resized === undefined ? {} : { resized: objectsIn('resized', resized) }),
    ...(owed === undefined ? {} : { owed: listIn('owed', owed).map(String) }),
    ...(unhealthy === undefined ? {} : { unhealthy: listIn('unhealthy', unhealthy).map(String) }),
  };
}

function listIn(field: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${field} is no list`);
  return value;
}

function objectsIn(field: string, value: unknown): Readonly<Record<string, object>> {
  if (typeof value !== 'object' || value === null) throw new Error(`${field} is no object`);
  const entries = Object.entries(value).map(([key, entry]: [string, unknown]): [string, object] => {
    if (typeof entry !== 'object' || entry === null) throw new Error(`${field}.${key} is no object`);
    return [key, entry];
  });
  return Object.fromEntries(entries);
}
