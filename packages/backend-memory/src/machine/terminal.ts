import { PodwrightError, type TerminalSize } from '@podwright/core';
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

  /** @throws PodwrightError kind `invalid-argument` for a size that no terminal has */
  resize(size: TerminalSize): void {
    const { columns, rows } = size;
    if (![columns, rows].every((value) => Number.isInteger(value) && value >= 0 && value <= 0xffff)) {
      throw new PodwrightError(
        'invalid-argument',
        `A terminal cannot have ${rows} rows and ${columns} columns: both are whole numbers up to 65535.`,
      );
    }
    this.#size = size;
  }

  write(data: Buffer): Promise<void> {
    return this.output.write(Buffer.from(data.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'));
  }
}
