import { messageOf, type PodRecord, PodwrightError, parsePod } from '@podwright/core';

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
  } catch (error) {
    throw corrupt('it is no JSON', error);
  }
  if (typeof value !== 'object' || value === null) throw corrupt('it is no object');
  const { version, uid, namespace, name, manifest, createdAtMs, state }: Record<string, unknown> = {
    ...value,
  };
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
    return { uid, namespace, name, createdAtMs, state: knownState, manifest: parsePod(manifest) };
  } catch (error) {
    throw corrupt(messageOf(error), error);
  }
}
