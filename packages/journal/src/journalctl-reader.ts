import type { Readable } from 'node:stream';
import { Logger, PodwrightError } from '@podwright/core';
import { HostExecutor, type HostProgram, type UsesHostPrograms } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';
import { Observable } from 'rxjs';
import type { ExportEntry } from './export-entry.js';
import { ExportParser } from './export-parser.js';
import type {
  JournalEntry,
  JournalReader,
  JournalReadOptions,
  JournalSinks,
  JournalSyncOptions,
  PumpResult,
} from './journal-reader.js';
import {
  isSameEntry,
  type JournalPass,
  type JournalStart,
  journalctlArguments,
  validateReadOptions,
} from './journalctl-arguments.js';
import { SinkWriter } from './sink-writer.js';

/** Longest delay of a timer in Node, in milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const KEPT_STDERR = 8192;
const PUMPED_FIELDS = ['MESSAGE', 'PRIORITY', 'CONTAINER_PARTIAL_MESSAGE'];
/** syslog's `err`: what conmon gives to lines of standard error. */
const ERROR_PRIORITY = 3;

/** Reads the journal through the program journalctl, on the host that the executor reaches. */
@injectable()
export class JournalctlReader implements JournalReader, UsesHostPrograms {
  constructor(
    @inject(HostExecutor) private readonly executor: HostExecutor,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  async hostPrograms(): Promise<readonly HostProgram[]> {
    return [{ name: 'journalctl', debianPackage: 'systemd', version: { args: ['--version'] } }];
  }

  async *read(options: JournalReadOptions = {}): AsyncGenerator<JournalEntry, void, undefined> {
    for await (const batch of this.#batches(options)) {
      for (const entry of batch) {
        if (options.signal?.aborted) throw cancelled(options.signal);
        yield entry;
      }
    }
  }

  observe(options: JournalReadOptions = {}): Observable<JournalEntry> {
    return new Observable((subscriber) => {
      const unsubscribed = new AbortController();
      const { signal } = options;
      const onAbort = () => unsubscribed.abort(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) onAbort();
      const run = async () => {
        for await (const entry of this.read({ ...options, signal: unsubscribed.signal }))
          subscriber.next(entry);
      };
      run()
        .then(
          () => subscriber.complete(),
          (error: unknown) => subscriber.error(error),
        )
        .finally(() => signal?.removeEventListener('abort', onAbort));
      return () => unsubscribed.abort();
    });
  }

  async pump(options: JournalReadOptions, sinks: JournalSinks): Promise<PumpResult> {
    const writer = new SinkWriter(options.signal);
    let entries = 0;
    let last: JournalEntry | undefined;
    for await (const batch of this.#batches({ ...options, fields: PUMPED_FIELDS })) {
      for (const entry of batch) {
        const priority = Number(entry.text('PRIORITY') ?? Number.NaN);
        const sink = priority <= ERROR_PRIORITY ? sinks.stderr : sinks.stdout;
        const partial = entry.text('CONTAINER_PARTIAL_MESSAGE') === 'true';
        await writer.line(sink, entry.get('MESSAGE'), partial);
        entries++;
        last = entry;
      }
      await writer.flush();
    }
    return last === undefined ? { entries } : { entries, lastCursor: last.cursor };
  }

  async sync({ namespace, signal }: JournalSyncOptions = {}): Promise<void> {
    await this.executor.run({
      command: 'journalctl',
      args: ['--sync', ...(namespace === undefined ? [] : [`--namespace=${namespace}`])],
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Entries in groups as they came together, cut by all options. */
  async *#batches(options: JournalReadOptions): AsyncGenerator<ExportEntry[], void, undefined> {
    validateReadOptions(options);
    const leftMs = (options.untilUs ?? Number.POSITIVE_INFINITY) / 1000 - Date.now();
    const follow = options.follow === true && leftMs > 0;
    let start = await this.#findStart(options, follow);
    const cut = new BatchCut(options, follow);
    if (start === undefined || cut.done) return;

    if (follow) {
      const finish = new AbortController();
      const onFinish = () => finish.abort();
      options.finish?.addEventListener('abort', onFinish, { once: true });
      if (options.finish?.aborted) onFinish();
      const timer = leftMs < LONGEST_TIMER_MS ? setTimeout(onFinish, leftMs) : undefined;
      try {
        for await (const batch of this.#pass(options, { start, follow: true }, finish.signal)) {
          const kept = cut.apply(batch);
          start = { from: 'after', cursor: batch.at(-1)?.cursor ?? '' };
          if (kept.length > 0) yield kept;
          if (cut.done) return;
        }
      } finally {
        clearTimeout(timer);
        options.finish?.removeEventListener('abort', onFinish);
      }
      await this.#syncIfAllowed(options);
    }
    for await (const batch of this.#pass(options, { start })) {
      const kept = cut.apply(batch);
      if (kept.length > 0) yield kept;
      if (cut.done) return;
    }
  }

  /** What was sent before the end of following has to be in the journal before the rest of it is read. */
  async #syncIfAllowed({ namespace, signal }: JournalReadOptions): Promise<void> {
    try {
      await this.sync({
        ...(namespace === undefined ? {} : { namespace }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (!PodwrightError.is(error, 'command-failed')) throw error;
      this.logger.warn(
        'the last lines of a followed log may be missing: the journal cannot be synchronized',
        {
          error: error.message,
        },
      );
    }
  }

  /** Where the entries asked for begin; undefined when there are none and none can come. */
  async #findStart(options: JournalReadOptions, follow: boolean): Promise<JournalStart | undefined> {
    const { tail, afterCursor, sinceUs } = options;
    const whole: JournalStart =
      afterCursor !== undefined
        ? { from: 'after', cursor: afterCursor }
        : sinceUs !== undefined
          ? { from: 'since', sinceUs }
          : { from: 'beginning' };
    if (tail === undefined || tail === 'all') return whole;
    if (tail === 0 && !follow) return undefined;
    const cursors = await this.#lastCursors(options, whole, Math.max(tail, 1));
    const oldest = cursors[0];
    if (oldest === undefined) return follow ? whole : undefined;
    return { from: tail === 0 ? 'after' : 'at', cursor: oldest };
  }

  /** The cursor of the entry that the last `count` begin with, in a list that is empty when there is no entry. */
  async #lastCursors(options: JournalReadOptions, start: JournalStart, count: number): Promise<string[]> {
    if (start.from !== 'after') {
      let oldest: ExportEntry | undefined;
      for await (const batch of this.#pass(options, { start, newest: count }))
        oldest = batch.at(-1) ?? oldest;
      return oldest === undefined ? [] : [oldest.cursor];
    }
    // A reverse pass would begin at the cursor: count forward instead, keeping cursors only.
    let cursors: string[] = [];
    const cut = new BatchCut({ ...options, tail: 'all' }, false);
    for await (const batch of this.#pass({ ...options, fields: [] }, { start })) {
      cursors.push(...cut.apply(batch).map(({ cursor }) => cursor));
      if (cursors.length > 2 * count) cursors = cursors.slice(-count);
    }
    return cursors.slice(-count);
  }

  /** One run of journalctl; ends well, too, when `stop` fires. */
  async *#pass(
    options: JournalReadOptions,
    pass: JournalPass,
    stop?: AbortSignal,
  ): AsyncGenerator<ExportEntry[], void, undefined> {
    const { signal } = options;
    const child = await this.executor.start({
      command: 'journalctl',
      args: journalctlArguments(options, pass),
      ...(signal === undefined ? {} : { signal }),
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end();
    const said = keepTail(child.stderr);
    const onStop = () => child.kill();
    stop?.addEventListener('abort', onStop, { once: true });
    if (stop?.aborted) onStop();
    const parser = new ExportParser();
    const skipped = pass.start.from === 'after' ? pass.start.cursor : undefined;
    let first = true;
    try {
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        let batch = parser.push(chunk);
        if (first && batch[0] !== undefined) {
          first = false;
          if (skipped !== undefined && isSameEntry(batch[0].cursor, skipped)) batch = batch.slice(1);
        }
        if (signal?.aborted) throw cancelled(signal);
        if (batch.length > 0) yield batch;
      }
      const exit = await child.exited;
      if (signal?.aborted) throw cancelled(signal);
      if (stop?.aborted) return;
      const stderr = said().trim();
      if (exit.exitCode !== 0) {
        const how =
          exit.signal === undefined
            ? `failed with exit code ${exit.exitCode}`
            : `was ended by ${exit.signal}`;
        throw new PodwrightError('command-failed', `journalctl ${how}: ${stderr || 'it said nothing'}`, {
          details: { ...exit, stderr },
        });
      }
      if (stderr !== '') this.logger.debug('journalctl said', { stderr });
      parser.finish();
    } finally {
      stop?.removeEventListener('abort', onStop);
      child.kill();
      child.stdout.destroy();
      child.stderr.destroy();
    }
  }
}

/** Cuts batches by the options that journalctl cannot be trusted or asked with. */
class BatchCut {
  #done = false;
  #entriesLeft: number;
  #bytesLeft: number;

  constructor(
    private readonly options: JournalReadOptions,
    follow: boolean,
  ) {
    const { tail = 'all', limitBytes } = options;
    // Entries that came after a snapshot's tail was counted belong to no snapshot.
    this.#entriesLeft = follow || tail === 'all' ? Number.POSITIVE_INFINITY : tail;
    this.#bytesLeft = limitBytes ?? Number.POSITIVE_INFINITY;
    this.#done = this.#entriesLeft === 0 || this.#bytesLeft === 0;
  }

  get done(): boolean {
    return this.#done;
  }

  apply(batch: readonly ExportEntry[]): ExportEntry[] {
    const { sinceUs, untilUs, limitBytes } = this.options;
    const kept: ExportEntry[] = [];
    for (const entry of batch) {
      if (this.#done) break;
      if (sinceUs !== undefined && entry.realtimeUs < sinceUs) continue;
      if (untilUs !== undefined && entry.realtimeUs > untilUs) {
        this.#done = true;
        break;
      }
      kept.push(limitBytes === undefined ? entry : this.#limit(entry));
      this.#entriesLeft--;
      this.#done ||= this.#entriesLeft === 0;
    }
    return kept;
  }

  #limit(entry: ExportEntry): ExportEntry {
    const bytes = entry.get('MESSAGE')?.length ?? 0;
    const left = this.#bytesLeft;
    this.#bytesLeft -= bytes;
    this.#done = this.#bytesLeft <= 0;
    return bytes > left ? entry.withMessageCut(left) : entry;
  }
}

function keepTail(stream: Readable): () => string {
  let kept = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-KEPT_STDERR);
  });
  return () => kept.toString('utf8');
}

function cancelled(signal: AbortSignal): PodwrightError {
  return new PodwrightError('cancelled', 'Reading the journal was cancelled by its caller.', {
    cause: signal.reason,
  });
}
