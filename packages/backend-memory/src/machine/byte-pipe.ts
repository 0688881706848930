/** Where a simulated process reads bytes from. */
export interface ByteSource {
  /** The next bytes; undefined at end of file. */
  read(): Promise<Buffer | undefined>;
  /** Up to and with the next line feed, and no byte more; undefined at end of file. */
  readLine(): Promise<Buffer | undefined>;
}

/** Where a simulated process writes bytes to. */
export interface ByteSink {
  /** Resolves when there is room for more. @throws BrokenPipeError when nobody reads any more */
  write(data: Buffer): Promise<void>;
}

/** EPIPE: the reading end is gone. */
export class BrokenPipeError extends Error {
  constructor() {
    super('Broken pipe');
  }
}

const CAPACITY_BYTES = 64 * 1024;

/** Bytes from one end to the other, with the capacity of a pipe of the kernel (pipe(7)). */
export class BytePipe implements ByteSource, ByteSink {
  #chunks: Buffer[] = [];
  #size = 0;
  #ended = false;
  #broken = false;
  #lineReaders = 0;
  #wake: (() => void)[] = [];

  /** Reads by one reader go one after the other; a second reader waits for its turn. */
  async read(): Promise<Buffer | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#ended) return undefined;
      await this.#change();
    }
    return this.#take(this.#chunks[0]?.length ?? 0);
  }

  async readLine(): Promise<Buffer | undefined> {
    this.#lineReaders++;
    this.#notify();
    try {
      for (;;) {
        const end = this.#lineEnd();
        if (end !== undefined) return this.#take(end);
        if (this.#ended) return this.#size === 0 ? undefined : this.#take(this.#size);
        await this.#change();
      }
    } finally {
      this.#lineReaders--;
    }
  }

  async write(data: Buffer): Promise<void> {
    if (this.#broken || this.#ended) throw new BrokenPipeError();
    if (data.length === 0) return;
    this.#chunks.push(data);
    this.#size += data.length;
    this.#notify();
    while (this.#size > CAPACITY_BYTES && !this.#broken && !this.#waitsForLine()) await this.#change();
  }

  /** No more bytes come. */
  end(): void {
    this.#ended = true;
    this.#notify();
  }

  /** Nobody reads any more: what is in the pipe is dropped and writes fail. */
  closeReader(): void {
    this.#broken = true;
    this.#chunks = [];
    this.#size = 0;
    this.#notify();
  }

  /** A line longer than the pipe may pass when its reader wants it whole. */
  #waitsForLine(): boolean {
    return this.#lineEnd() === undefined && this.#lineReaders > 0;
  }

  #lineEnd(): number | undefined {
    let before = 0;
    for (const chunk of this.#chunks) {
      const at = chunk.indexOf(10);
      if (at >= 0) return before + at + 1;
      before += chunk.length;
    }
    return undefined;
  }

  #take(length: number): Buffer {
    const taken: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const chunk = this.#chunks[0];
      if (!chunk) break;
      if (chunk.length <= missing) {
        taken.push(chunk);
        missing -= chunk.length;
        this.#chunks.shift();
      } else {
        taken.push(chunk.subarray(0, missing));
        this.#chunks[0] = chunk.subarray(missing);
        missing = 0;
      }
    }
    this.#size -= length;
    this.#notify();
    return taken.length === 1 && taken[0] ? taken[0] : Buffer.concat(taken);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    const woken = this.#wake;
    this.#wake = [];
    for (const wake of woken) wake();
  }
}

/** End of file at once. */
export const emptySource: ByteSource = {
  read: async () => undefined,
  readLine: async () => undefined,
};

/** Takes everything, as /dev/null does. */
export const nullSink: ByteSink = { write: async () => undefined };

/** A source of bytes that are there already. */
export function sourceOf(data: Buffer): ByteSource {
  const pipe = new BytePipe();
  // The write waits for a reader when the data is longer than the pipe; the reader comes later.
  void pipe.write(data).catch(() => undefined);
  pipe.end();
  return pipe;
}
