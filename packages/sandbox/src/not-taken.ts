import { PodwrightError } from '@podwright/core';
import type { SandboxConfig, SandboxRecord } from './sandbox-record.js';

/** The sandboxes of a host, by how much is known of them. */
export interface KnownSandboxes {
  readonly made: readonly SandboxRecord[];
  /** Being made, by their ids. */
  readonly pending: ReadonlyMap<string, SandboxConfig>;
  /** The ids of those whose records cannot be read. */
  readonly unreadable: readonly string[];
}

/**
 * Refuses a new sandbox whose id, or whose pod and attempt, another one has, or whose ids on the host another could have.
 * @throws PodwrightError kind `already-exists`, `failed-precondition`
 */
export function checkNotTaken(
  { metadata: { uid, attempt, namespace, name }, userNamespace }: SandboxConfig,
  id: string,
  { made, pending, unreadable }: KnownSandboxes,
): void {
  if (made.some((record) => record.id === id) || pending.has(id) || unreadable.includes(id)) {
    throw new PodwrightError('already-exists', `There is a sandbox ${id} already.`, { details: { id } });
  }
  const [unknown] = unreadable;
  if (userNamespace === 'pod' && unknown !== undefined) {
    throw new PodwrightError(
      'failed-precondition',
      `Which ids sandbox ${unknown} has on the host is not known, as its record cannot be read: another pod could get ` +
        'the same. Remove that pod first, or collect garbage.',
      { details: { id: unknown } },
    );
  }
  const others = [...made, ...pending.values()];
  const twin = others.some(({ metadata }) => metadata.uid === uid && metadata.attempt === attempt);
  if (twin) {
    throw new PodwrightError(
      'already-exists',
      `Pod ${namespace}/${name} (uid ${uid}) has a sandbox of attempt ${attempt} already.`,
      { details: { uid, attempt } },
    );
  }
}
