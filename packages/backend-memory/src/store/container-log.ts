import type { LogEntry } from '@podwright/core';
import type { ByteSink } from '../machine/byte-pipe.js';

/** An entry, and of which attempt it is. */
export interface StoredEntry extends LogEntry {
  readonly attempt: number;
}

const LINE_FEED = 10;
/** conmon reads so much at once and hands it on as one entry. */
const LONGEST_ENTRY_BYTES = 8192;

/** What a container has written, in the order in which it was written. */
export class ContainerLog {
  readonly #entries: StoredEntry[] = [];
  #wake: (() => void)[] = [];
  #closed = false;
  #lastUs = 0;

  /** @param onEntry told of each entry, in order */
  constructor(
    private readonly nowMs: () => number,
    private readonly onEntry: (entry: LogEntry) => void = () => undefined,
  ) {}

  get entries(): readonly StoredEntry[] {
    return this.#entries;
  }

  /** No entry comes any more. */
  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.#notify();
  }

  /** What is written to it becomes entries of this attempt and stream: lines, and parts of what has no end yet. */
  sink(attempt: number, stream: 'stdout' | 'stderr'): ByteSink {
    return {
      write: async (data) => {
        let rest = data;
        while (rest.length > 0) {
          const end = rest.subarray(0, LONGEST_ENTRY_BYTES).indexOf(LINE_FEED);
          const length = end >= 0 ? end : Math.min(rest.length, LONGEST_ENTRY_BYTES);
          this.#append(attempt, stream, Buffer.from(rest.subarray(0, length)), end < 0);
          rest = rest.subarray(end >= 0 ? length + 1 : length);
        }
        this.#notify();
      },
    };
  }

  /** Resolves when there is more than `count` entries, or none comes any more. */
  async grownBeyond(count: number): Promise<void> {
    while (this.#entries.length <= count && !this.#closed) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #append(attempt: number, stream: 'stdout' | 'stderr', line: Buffer, partial: boolean): void {
    // Time goes on from entry to entry, so that "since" and "after" cut between any two.
    this.#lastUs = Math.max(this.nowMs() * 1000, this.#lastUs + 1);
    const cursor = String(this.#entries.length + 1);
    const entry = { attempt, timestampUs: this.#lastUs, stream, line, partial, cursor };
    this.#entries.push(entry);
    this.onEntry(entry);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
