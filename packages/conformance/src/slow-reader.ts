import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { CaseContext } from './case-context.js';

/** More than pipes and buffers on the way hold, in bytes. */
export const MUCH_OUTPUT_BYTES = 400_000;

/** After so many bytes the reader waits. */
const GULP_BYTES = 40_000;
/** Longer than a backend may take silence of a pipe for its end. */
const PAUSE_MS = 250;

/**
 * Reads to the end like a terminal over a slow line, so that most is still to come when who wrote it has ended.
 * @returns how many bytes came
 */
export async function readSlowly(t: CaseContext, stream: Readable): Promise<number> {
  const read = async () => {
    let total = 0;
    let gulp = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      total += chunk.length;
      gulp += chunk.length;
      if (gulp < GULP_BYTES) continue;
      gulp = 0;
      await setTimeout(PAUSE_MS);
    }
    return total;
  };
  const pausesMs = (MUCH_OUTPUT_BYTES / GULP_BYTES) * PAUSE_MS;
  return t.soon(read(), 'the end of the output', t.patienceMs + pausesMs);
}
