import type { Writable } from 'node:stream';
import type { ServiceIdentifier } from 'inversify';
import type { Observable } from 'rxjs';

/** One entry of the journal. Its buffers are views of what was read: copy what is kept for long. */
export interface JournalEntry {
  /** Where it stands; pass it as `afterCursor` to go on behind it. */
  readonly cursor: string;
  /**
   * When journald took it in, in microseconds since the epoch (__REALTIME_TIMESTAMP). This is the time that
   * `sinceUs` and `untilUs` compare with and the one that grows along the journal; the time at which the sender wrote
   * it, a little earlier, is the field _SOURCE_REALTIME_TIMESTAMP.
   */
  readonly realtimeUs: number;
  /** Microseconds since the boot `_BOOT_ID`. */
  readonly monotonicUs: number;
  /** The first value of a field, byte for byte; undefined when it is absent. */
  get(field: string): Buffer | undefined;
  /** All values of a field: one name may come more than once. */
  getAll(field: string): readonly Buffer[];
  /** The first value as UTF-8 text. */
  text(field: string): string | undefined;
  /** Names of all fields that were read, each once, without those that begin with two underscores. */
  fieldNames(): readonly string[];
}

/** Field values that an entry has to have, all of them; of several values of one field any. */
export type JournalMatch = Readonly<Record<string, string | readonly string[]>>;

export interface JournalReadOptions {
  /** An entry has to fit one of the groups; none: every entry. */
  readonly matches?: readonly JournalMatch[];
  /** Entries of one run of a unit: its invocation id, 32 hexadecimal digits. In addition to `matches`. */
  readonly invocation?: string;
  /** Entries of a unit and those of systemd about it, as `journalctl --unit`. In addition to `matches`. */
  readonly unit?: string;
  /** Only entries from this time on, in microseconds since the epoch. */
  readonly sinceUs?: number;
  /** Only entries up to this time, in microseconds since the epoch; with `follow` reading ends then. */
  readonly untilUs?: number;
  /** Only the last so many of all that the other options let through. Default: all. */
  readonly tail?: number | 'all';
  /** Only what comes after this entry, also when that entry is gone or fits no match. */
  readonly afterCursor?: string;
  /** Go on with what comes. Default: a snapshot that ends. */
  readonly follow?: boolean;
  /** With `follow`: ends it well when it fires, after all that was logged until then has been given. */
  readonly finish?: AbortSignal;
  /** Stop after so many bytes of MESSAGE; the last one is cut to fit. */
  readonly limitBytes?: number;
  /** Only these fields are read, which is faster. The cursor, the times and _BOOT_ID always come. */
  readonly fields?: readonly string[];
  /** The journal of a LogNamespace= instead of the default one. */
  readonly namespace?: string;
  /** Journal files below this directory of the host instead of the system's. */
  readonly directory?: string;
  /** Ends reading at once with kind `cancelled`. */
  readonly signal?: AbortSignal;
}

/** Where `pump` writes. It does not end them. */
export interface JournalSinks {
  /** Entries with PRIORITY above 3 or none. */
  readonly stdout: Writable;
  /** Entries with PRIORITY 0 to 3. conmon gives 6 to standard output and 3 to standard error. */
  readonly stderr: Writable;
}

export interface PumpResult {
  readonly entries: number;
  /** Of the last entry that was written; pass it as `afterCursor` to go on. */
  readonly lastCursor?: string;
}

export interface JournalSyncOptions {
  readonly namespace?: string;
  readonly signal?: AbortSignal;
}

/**
 * Reads the journal.
 *
 * Errors of all methods: PodwrightError kind `invalid-argument` (an option, named), `missing-requirement` (no
 * journalctl), `command-failed` (journalctl's own failure with its words), `cancelled`. No entry is no error.
 */
export interface JournalReader {
  /** Entries in the journal's order. A slow consumer slows journalctl down; leaving the loop ends it. */
  read(options?: JournalReadOptions): AsyncIterable<JournalEntry>;
  /** The same, cold: unsubscribing ends journalctl. Without back-pressure: for events, not for bulk. */
  observe(options?: JournalReadOptions): Observable<JournalEntry>;
  /**
   * Writes the lines of a container's output to two sinks as they were written, byte for byte, each with one line feed
   * at its end; what has none (CONTAINER_PARTIAL_MESSAGE, by conmon) is joined with what follows. Waits for slow sinks.
   * @throws the sink's own error when one fails
   */
  pump(options: JournalReadOptions, sinks: JournalSinks): Promise<PumpResult>;
  /** Waits until journald has written what was sent to it before. Needs root. */
  sync(options?: JournalSyncOptions): Promise<void>;
}

export const JournalReader: ServiceIdentifier<JournalReader> = Symbol.for('podwright.journal.JournalReader');
