import { PodwrightError } from '@podwright/core';
import { ExportEntry } from './export-entry.js';

const LINE_FEED = 0x0a;
const EQUALS = 0x3d;
/** journald's own limit of one field (DATA_SIZE_MAX in its source); what claims to be larger is not its output. */
const MAX_FIELD_BYTES = 768 * 1024 * 1024;

/**
 * Parses the Journal Export Format (https://systemd.io/JOURNAL_EXPORT_FORMATS/) as it comes, split anywhere.
 *
 * A field is `NAME=value` and a line feed, or, with a value that is not plain text, NAME, a line feed, its length as a
 * 64-bit little-endian number, the bytes and a line feed. An empty line ends an entry.
 */
export class ExportParser {
  /** What was read; not consumed yet are the bytes from `#entryAt` on. */
  #buffer: Buffer = Buffer.alloc(0);
  /** A buffer of our own that `#buffer` is the beginning of, with room behind it; empty when a chunk is used as it is. */
  #storage: Buffer = Buffer.alloc(0);
  #entryAt = 0;
  /** Start of the field that is being read. */
  #fieldAt = 0;
  /** No line feed lies between `#fieldAt` and here. */
  #searchedTo = 0;
  /** Name start, name end, value start, value end of each complete field, counted from `#entryAt`. */
  #offsets: number[] = [];

  /**
   * The entries that are complete with this chunk, in order. They refer to the chunk, which must not be changed.
   * @throws PodwrightError kind `command-failed` for what is not in this format
   */
  push(chunk: Buffer): ExportEntry[] {
    this.#append(chunk);
    const entries: ExportEntry[] = [];
    while (this.#readField(entries));
    return entries;
  }

  /** @throws PodwrightError kind `command-failed` when the input ends inside an entry */
  finish(): void {
    const leftBytes = this.#buffer.length - this.#entryAt;
    if (leftBytes > 0) throw malformed(`it ends inside an entry, after ${leftBytes} bytes`);
  }

  /** Keeps a growing entry in a buffer that doubles, so that one of many megabytes is copied a few times only. */
  #append(chunk: Buffer): void {
    const used = this.#buffer.length;
    const leftBytes = used - this.#entryAt;
    if (leftBytes === 0) {
      this.#storage = chunk.subarray(0, 0);
      this.#buffer = chunk;
      this.#move(0);
      return;
    }
    if (this.#storage.length < used + chunk.length) {
      this.#storage = Buffer.allocUnsafeSlow(2 * leftBytes + chunk.length);
      this.#buffer.copy(this.#storage, 0, this.#entryAt);
      this.#move(0);
      chunk.copy(this.#storage, leftBytes);
      this.#buffer = this.#storage.subarray(0, leftBytes + chunk.length);
      return;
    }
    // No entry that was given away refers to what lies behind the end.
    chunk.copy(this.#storage, used);
    this.#buffer = this.#storage.subarray(0, used + chunk.length);
  }

  #move(entryAt: number): void {
    const by = entryAt - this.#entryAt;
    this.#entryAt = entryAt;
    this.#fieldAt += by;
    this.#searchedTo += by;
  }

  /** Reads one field or the end of an entry; false when more input is needed. */
  #readField(entries: ExportEntry[]): boolean {
    const buffer = this.#buffer;
    const end = buffer.length;
    const lineEnd = this.#searchedTo < end ? buffer.indexOf(LINE_FEED, this.#searchedTo) : -1;
    if (lineEnd === -1) {
      this.#searchedTo = end;
      return false;
    }
    const start = this.#fieldAt;
    if (lineEnd === start) {
      // Several empty lines may stand between entries.
      if (this.#offsets.length > 0) {
        entries.push(new ExportEntry(buffer.subarray(this.#entryAt, start), this.#offsets));
        this.#offsets = [];
      }
      this.#entryAt = start + 1;
      this.#next(start + 1);
      return true;
    }
    let nameEnd = start;
    while (nameEnd < lineEnd && buffer[nameEnd] !== EQUALS) nameEnd++;
    const base = this.#entryAt;
    if (nameEnd < lineEnd) {
      this.#offsets.push(start - base, nameEnd - base, nameEnd + 1 - base, lineEnd - base);
      this.#next(lineEnd + 1);
      return true;
    }
    const valueAt = lineEnd + 9;
    const complete = valueAt <= end && valueAt + this.#lengthAt(lineEnd + 1) + 1 <= end;
    if (!complete) {
      this.#searchedTo = lineEnd;
      return false;
    }
    const valueEnd = valueAt + this.#lengthAt(lineEnd + 1);
    if (buffer[valueEnd] !== LINE_FEED) {
      throw malformed(
        `the field ${buffer.toString('latin1', start, lineEnd).slice(0, 64)} has no end where its length says`,
      );
    }
    this.#offsets.push(start - base, lineEnd - base, valueAt - base, valueEnd - base);
    this.#next(valueEnd + 1);
    return true;
  }

  #next(fieldAt: number): void {
    this.#fieldAt = fieldAt;
    this.#searchedTo = fieldAt;
  }

  #lengthAt(position: number): number {
    const length = this.#buffer.readUInt32LE(position) + this.#buffer.readUInt32LE(position + 4) * 2 ** 32;
    if (length > MAX_FIELD_BYTES) throw malformed(`a field claims to have ${length} bytes`);
    return length;
  }
}

function malformed(why: string): PodwrightError {
  return new PodwrightError('command-failed', `The journal's export is malformed: ${why}.`);
}
