import { PassThrough, type Readable } from 'node:stream';

/** Time without any output after the end of a command, in milliseconds, before a held-open pipe is let go. */
const QUIET_MS = 200;

/**
 * Hands a command's output on with back-pressure, and ends it when the command has ended: a child left behind in the
 * container may hold the pipe open for ever.
 */
export class OutputRelay {
  readonly output = new PassThrough();
  /** Resolves when all output was handed on. */
  readonly done: Promise<void>;
  #quiet: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(private readonly source: Readable) {
    this.done = new Promise((resolve) => {
      // Also when the reader destroyed it.
      this.output.once('finish', resolve).once('close', resolve);
    });
    source.on('data', (chunk: Buffer) => {
      this.#listen();
      if (this.output.destroyed) return;
      if (!this.output.write(chunk)) {
        source.pause();
        this.output.once('drain', () => {
          source.resume();
          this.#listen();
        });
      }
    });
    source.once('close', () => this.#finish());
    source.once('error', () => this.#finish());
    this.output.once('close', () => source.resume());
  }

  /** The command has ended: what is in the pipe still comes, then this ends. */
  ended(): void {
    this.#ended = true;
    this.#listen();
  }

  #listen(): void {
    if (!this.#ended) return;
    clearTimeout(this.#quiet);
    // While the reader is behind, the pipe being silent says nothing.
    if (this.output.writableNeedDrain && !this.output.destroyed) return;
    this.#quiet = setTimeout(() => this.#finish(), QUIET_MS);
  }

  #finish(): void {
    clearTimeout(this.#quiet);
    this.source.destroy();
    this.output.end();
  }
}
