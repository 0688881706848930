import { PodwrightError } from '@podwright/core';

/** How often a file is read at most. */
const MAX_READS = 20;

/**
 * Reads until two reads, one after the other, agree. The kernel gives the mount table in parts: what is unmounted
 * between two of them can hide another mount (Linux before 5.8).
 * @param what for the error
 * @throws PodwrightError kind `unavailable`
 */
export async function readConsistently(what: string, read: () => Promise<string>): Promise<string> {
  let before = await read();
  for (let reads = 1; reads < MAX_READS; reads++) {
    const now = await read();
    if (now === before) return now;
    before = now;
  }
  throw new PodwrightError(
    'unavailable',
    `${what} changed at each of ${MAX_READS} reads: something mounts and unmounts all the time. Try again later.`,
    { details: { reads: MAX_READS } },
  );
}
