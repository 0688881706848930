import { readFile, realpath } from 'node:fs/promises';
import { messageOf, PodwrightError } from '@podwright/core';
import { readConsistently } from './consistent-read.js';
import { type Mount, mountOf, parseMountInfo } from './mount-info.js';

/**
 * Whether an agent in a container sees what is mounted on the host from now on: the mount through which it has the
 * host's root takes mounts from a master, or shares them with its peers.
 * @param table the mounts that the agent itself has
 * @param hostRoot where it has the host's root, without links
 */
export function seesHostMounts(table: readonly Mount[], hostRoot: string): boolean {
  const propagation = mountOf(table, hostRoot)?.propagation;
  return propagation?.masterGroup !== undefined || propagation?.peerGroup !== undefined;
}

/**
 * Looks for what an agent in a container needs to write into volumes that are mounted on the host: where it does not see
 * the mounts, it would write below them.
 * @param hostRoot where the agent has the host's root
 * @param readTable of the agent's own mounts
 * @throws PodwrightError kind `missing-requirement`
 */
export async function checkHostPropagation(
  hostRoot: string,
  readTable: () => Promise<string> = () => readFile('/proc/self/mountinfo', 'utf8'),
): Promise<void> {
  const path = await realpath(hostRoot).catch((cause: unknown) => {
    const message = `The host's root is not at ${hostRoot}: ${messageOf(cause)}. Mount / of the host there, or configure where it is.`;
    throw new PodwrightError('missing-requirement', message, { cause, details: { path: hostRoot } });
  });
  const table = parseMountInfo(await readConsistently("The mount table of the agent's container", readTable));
  if (seesHostMounts(table, path)) return;
  throw new PodwrightError(
    'missing-requirement',
    `The agent's container does not see below ${hostRoot} what is mounted on the host later, volumes of pods among it: mount the host's root there with mountPropagation: HostToContainer (docker: -v /:${hostRoot}:rslave).`,
    { details: { path: hostRoot } },
  );
}
