import type { TerminalSize } from '@podwright/core';
import type { ByteSink } from './byte-pipe.js';

/** A terminal: what is written to it gets a carriage return before each line feed (termios(3), ONLCR). */
export class Terminal implements ByteSink {
  #size: TerminalSize;

  constructor(
    private readonly output: ByteSink,
    size: TerminalSize | undefined,
  ) {
    this.#size = size ?? { columns: 80, rows: 24 };
  }

  get size(): TerminalSize {
    return this.#size;
  }

  resize(size: TerminalSize): void {
    this.#size = size;
  }

  write(data: Buffer): Promise<void> {
    return this.output.write(Buffer.from(data.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'));
  }
}
