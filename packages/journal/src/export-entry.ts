import type { JournalEntry } from './journal-reader.js';

const NO_BYTES = Buffer.alloc(0);

/** An entry over the bytes it was read from; values are looked up when they are asked for. */
export class ExportEntry implements JournalEntry {
  /**
   * @param bytes of the entry
   * @param offsets name start, name end, value start and value end of each field
   */
  constructor(
    private readonly bytes: Buffer,
    private readonly offsets: readonly number[],
  ) {}

  get cursor(): string {
    return this.text('__CURSOR') ?? '';
  }

  get realtimeUs(): number {
    return Number(this.text('__REALTIME_TIMESTAMP') ?? 0);
  }

  get monotonicUs(): number {
    return Number(this.text('__MONOTONIC_TIMESTAMP') ?? 0);
  }

  get(field: string): Buffer | undefined {
    const index = this.#find(field, 0);
    return index === -1 ? undefined : this.#value(index);
  }

  getAll(field: string): readonly Buffer[] {
    const values: Buffer[] = [];
    for (let index = this.#find(field, 0); index !== -1; index = this.#find(field, index + 4)) {
      values.push(this.#value(index));
    }
    return values;
  }

  text(field: string): string | undefined {
    return this.get(field)?.toString('utf8');
  }

  fieldNames(): readonly string[] {
    const names = new Set<string>();
    for (let index = 0; index < this.offsets.length; index += 4) {
      const name = this.bytes.toString('latin1', this.offsets[index], this.offsets[index + 1]);
      if (!name.startsWith('__')) names.add(name);
    }
    return [...names];
  }

  /** The same entry with a shorter MESSAGE. */
  withMessageCut(bytes: number): ExportEntry {
    const index = this.#find('MESSAGE', 0);
    const start = this.offsets[index + 2];
    return index === -1 || start === undefined
      ? this
      : new ExportEntry(this.bytes, this.offsets.with(index + 3, start + bytes));
  }

  #value(index: number): Buffer {
    const [start, end] = [this.offsets[index + 2], this.offsets[index + 3]];
    return start === end ? NO_BYTES : this.bytes.subarray(start, end);
  }

  #find(field: string, from: number): number {
    for (let index = from; index < this.offsets.length; index += 4) {
      const start = this.offsets[index] ?? 0;
      if ((this.offsets[index + 1] ?? 0) - start !== field.length) continue;
      let at = 0;
      while (at < field.length && this.bytes[start + at] === field.charCodeAt(at)) at++;
      if (at === field.length) return index;
    }
    return -1;
  }
}
