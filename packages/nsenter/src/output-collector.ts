import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * More than a kernel's pipe or socket buffer holds: what comes after so much was written by a left-behind process
 * after the command's end.
 */
const LEFT_IN_BUFFERS_BYTES = 1024 * 1024;

/** Keeps a stream's output up to a limit. */
export class OutputCollector {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #ended = false;

  constructor(
    private readonly stream: Readable,
    limitBytes: number,
    onOverflow: () => void,
  ) {
    stream.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes > limitBytes) onOverflow();
      else this.#chunks.push(chunk);
    });
    stream.once('close', () => {
      this.#ended = true;
    });
    stream.once('end', () => {
      this.#ended = true;
    });
  }

  get bytes(): number {
    return this.#bytes;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Lets go of the stream and gives what came. */
  take(): Buffer {
    this.stream.destroy();
    return Buffer.concat(this.#chunks);
  }
}

/**
 * Reads what is still in the kernel's buffers after the writer has ended, without waiting for the end of streams that
 * another process may hold open: until all have ended, or nothing came in several turns of the event loop, each of
 * which polls every stream.
 */
export async function drain(collectors: readonly OutputCollector[]): Promise<void> {
  const read = () => collectors.reduce((sum, { bytes }) => sum + bytes, 0);
  const start = read();
  let before = start;
  let quietTurns = 0;
  while (quietTurns < 4 && before - start < LEFT_IN_BUFFERS_BYTES * collectors.length) {
    if (collectors.every(({ ended }) => ended)) return;
    await nextTurn();
    const now = read();
    quietTurns = now === before ? quietTurns + 1 : 0;
    before = now;
  }
}
