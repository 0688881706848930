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
  #look: NodeJS.Immediate | undefined;
  #ended = false;

  constructor(private readonly source: Readable) {
    this.done = new Promise((resolve) => {
      // Also when the reader destroyed it.
      this.output.once('finish', resolve).once('close', resolve);
    });
    source.on('data', (chunk: Buffer) => {
      if (!this.output.destroyed && !this.output.write(chunk)) {
        source.pause();
        this.output.once('drain', () => {
          source.resume();
          this.#listen();
        });
      }
      this.#listen();
    });
    source.once('close', () => this.#finish());
    source.once('error', () => this.#finish());
    this.output.once('close', () => {
      source.resume();
      this.#listen();
    });
  }

  /** The command has ended: what is in the pipe still comes, then this ends. */
  ended(): void {
    this.#ended = true;
    this.#listen();
  }

  #listen(): void {
    if (!this.#ended) return;
    this.#stopListening();
    // While the reader is behind, the pipe being silent says nothing.
    if (this.output.writableNeedDrain && !this.output.destroyed) return;
    this.#quiet = setTimeout(() => {
      // On a busy machine the timer can be due before the pipe was looked at.
      this.#look = setImmediate(() => this.#finish());
    }, QUIET_MS);
  }

  #stopListening(): void {
    clearTimeout(this.#quiet);
    clearImmediate(this.#look);
  }

  #finish(): void {
    this.#stopListening();
    this.source.destroy();
    this.output.end();
  }
}
