import type { Writable } from 'node:stream';
import { PodwrightError } from '@podwright/core';

const FLUSH_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
const LINE_END = Buffer.from('\n');

/** Collects lines into writes of some size, in order over all sinks, one write at a time. */
export class SinkWriter {
  #sink: Writable | undefined;
  #pieces: Buffer[] = [];
  #bytes = 0;
  readonly #watched = new Set<Writable>();

  constructor(private readonly signal: AbortSignal | undefined) {}

  async line(sink: Writable, text: Buffer | undefined, partial: boolean): Promise<void> {
    // Two sinks may be one terminal: what was written first has to stand there first.
    if (sink !== this.#sink) await this.flush();
    this.#sink = sink;
    if (text !== undefined) this.#add(text);
    // conmon leaves the line feed in its messages, other programs do not.
    if (!partial && text?.at(-1) !== LINE_FEED) this.#add(LINE_END);
    if (this.#bytes >= FLUSH_BYTES) await this.flush();
  }

  /** Resolves when the sink has taken everything. @throws the sink's error; kind `cancelled` */
  async flush(): Promise<void> {
    const sink = this.#sink;
    if (sink === undefined || this.#bytes === 0) return;
    const data = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    if (!this.#watched.has(sink)) {
      this.#watched.add(sink);
      // The error reaches the caller through the write; without a listener it would end the process as well.
      sink.on('error', () => undefined);
    }
    await this.#write(sink, data);
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  #write(sink: Writable, data: Buffer): Promise<void> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error | null) => {
        signal?.removeEventListener('abort', onAbort);
        if (error) reject(error);
        else resolve();
      };
      const onAbort = () =>
        settle(new PodwrightError('cancelled', 'Writing the log was cancelled.', { cause: signal?.reason }));
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) onAbort();
      else sink.write(data, settle);
    });
  }
}
