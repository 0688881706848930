import { watch } from 'node:fs';
import { type LogEntry, Logger, type LogOptions, messageOf, PodwrightError } from '@podwright/core';
import { type JournalEntry, JournalReader, type JournalReadOptions } from '@podwright/journal';
import { HostExecutor } from '@podwright/nsenter';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { concatMap, endWith, filter, ignoreElements, merge, Observable, startWith, takeUntil } from 'rxjs';
import type { ContainerRecord } from './container-record.js';
import { ContainerStatuses } from './container-statuses.js';
import { ContainerStore, type WrittenAttempts } from './container-store.js';
import { containerUnitName, HostLayout } from './host-layout.js';
import { type LogPart, lastLinesStart } from './log-tail.js';
import { StateLoader } from './state-loader.js';

const LINE_FEED = 10;
const COUNTED_FIELDS = ['PRIORITY', 'CONTAINER_PARTIAL_MESSAGE'];
const FIELDS = ['MESSAGE', ...COUNTED_FIELDS];

/** Reads containers' output from the journal, where conmon writes it. */
@injectable()
export class ContainerLogs {
  constructor(
    @inject(JournalReader) private readonly journal: JournalReader,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerStatuses) private readonly statuses: ContainerStatuses,
    @inject(StateLoader) private readonly state: StateLoader,
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(HostLayout) private readonly layout: HostLayout,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /**
   * The output of the present attempt, or of the last one; with `follow` also of those after it.
   * @throws PodwrightError kind `not-found` for an unknown container, or with `previous` when there is no attempt before
   */
  async *read(id: string, options: LogOptions): AsyncIterable<LogEntry> {
    const record = this.store.require(id);
    const attempts = this.store.attempts(id);
    if (options.previous !== true && options.follow === true) yield* this.follow(record, attempts, options);
    else yield* this.snapshot(record, attempts, options);
  }

  private async *snapshot(
    record: ContainerRecord,
    attempts: WrittenAttempts,
    options: LogOptions,
  ): AsyncIterable<LogEntry> {
    const invocations = [...attempts.lines, ...(attempts.started ? [attempts.started] : [])].map(
      ({ invocation }) => invocation,
    );
    const invocation = invocations.at(options.previous === true ? -2 : -1);
    if (options.previous === true && invocation === undefined) {
      throw new PodwrightError(
        'not-found',
        `Container "${record.config.metadata.name}" has no attempt before the present one.`,
        { details: { id: record.id } },
      );
    }
    if (invocation === undefined) return;
    // What was written before this call is in the journal after it.
    await this.journal.sync(options.signal === undefined ? {} : { signal: options.signal });
    // conmon's own word, not journald's _SYSTEMD_INVOCATION_ID: journald looks that up by the sender's process, which is
    // gone when a container ends at once.
    const matches = [{ CONTAINER_ID_FULL: record.id, CONTAINER_TAG: invocation }];
    yield* this.entries({ ...journalOptions(record.id, options), matches });
  }

  /** Ends when the container has ended for good, or is removed, and its last line was given. */
  private async *follow(
    record: ContainerRecord,
    attempts: WrittenAttempts,
    options: LogOptions,
  ): AsyncIterable<LogEntry> {
    const present = attempts.started?.atMs ?? attempts.lines.at(-1)?.startedAtMs ?? 0;
    const finish = new AbortController();
    const unit = containerUnitName(record.id);
    const changes = this.manager.unitEvents.pipe(
      filter((event) => event.type === 'relist' || event.unit === unit),
    );
    // A container that never ran has no unit, and its removal no event of systemd's.
    const closed = changes.pipe(ignoreElements(), endWith(undefined));
    const looks = merge(changes, this.directoryChanges(record.id).pipe(takeUntil(closed)))
      .pipe(
        startWith(undefined),
        concatMap(() => this.hasEnded(record.id)),
      )
      .subscribe({
        next: (ended) => ended && finish.abort(),
        error: () => finish.abort(),
        complete: () => finish.abort(),
      });
    try {
      yield* this.entries({
        ...journalOptions(record.id, options),
        sinceUs: Math.max(present, options.sinceMs ?? 0) * 1000,
        follow: true,
        finish: finish.signal,
      });
    } finally {
      looks.unsubscribe();
    }
  }

  private async hasEnded(id: string): Promise<boolean> {
    try {
      await this.state.refresh();
      const record = this.store.get(id);
      return record === undefined || (await this.statuses.of(record)).state === 'exited';
    } catch (error) {
      // systemd cannot be reached, say: it is looked at again when it can.
      this.logger.warn(`Whether container ${id} has ended is not known: ${messageOf(error)}`);
      return false;
    }
  }

  /** Tells when the container's directory comes or goes, whichever process does it. */
  private directoryChanges(id: string): Observable<void> {
    return new Observable((subscriber) => {
      try {
        const watcher = watch(this.host.hostPath(this.layout.containersDir), (_type, name) => {
          if (name?.includes(id)) subscriber.next();
        });
        watcher.on('error', (error) => this.warnOfWatch(id, error));
        return () => watcher.close();
      } catch (error) {
        this.warnOfWatch(id, error);
        return;
      }
    });
  }

  private warnOfWatch(id: string, error: unknown): void {
    this.logger.warn(
      `Should container ${id} be removed before it runs, its followed log does not end: ${messageOf(error)}`,
    );
  }

  private async *entries(options: JournalReadOptions): AsyncIterable<LogEntry> {
    const { reading, entries } = await this.countedInLines(options);
    let left = entries;
    if (left === 0) return;
    for await (const entry of this.journal.read(reading)) {
      yield toLogEntry(entry);
      left--;
      if (left === 0) return;
    }
  }

  /** The journal counts entries, and a long line is several. What comes after the counting belongs to no snapshot. */
  private async countedInLines(
    options: JournalReadOptions,
  ): Promise<{ readonly reading: JournalReadOptions; readonly entries: number }> {
    const { tail, follow = false, finish: _finish, limitBytes: _limitBytes, ...snapshot } = options;
    if (typeof tail !== 'number' || tail === 0)
      return { reading: options, entries: Number.POSITIVE_INFINITY };
    const whole: JournalReadOptions = { ...options, tail: 'all' };
    const counted = (reading: JournalReadOptions, entries: number) => ({
      reading,
      entries: follow ? Number.POSITIVE_INFINITY : entries,
    });
    for (let asked = tail + 1; ; asked *= 2) {
      const parts: (LogPart & { readonly cursor: string })[] = [];
      for await (const entry of this.journal.read({ ...snapshot, fields: COUNTED_FIELDS, tail: asked })) {
        const { stream, partial, cursor } = toLogEntry(entry);
        parts.push({ stream, partial, cursor });
      }
      const start = lastLinesStart(parts, tail);
      const before = parts[start - 1];
      if (before !== undefined)
        return counted({ ...whole, afterCursor: before.cursor }, parts.length - start);
      if (parts.length < asked) return counted(whole, parts.length);
    }
  }
}

function journalOptions(id: string, options: LogOptions): JournalReadOptions {
  const { tail, sinceMs, untilMs, afterCursor, limitBytes, signal } = options;
  return {
    matches: [{ CONTAINER_ID_FULL: id }],
    fields: FIELDS,
    ...(tail === undefined ? {} : { tail }),
    ...(sinceMs === undefined ? {} : { sinceUs: sinceMs * 1000 }),
    ...(untilMs === undefined ? {} : { untilUs: untilMs * 1000 }),
    ...(afterCursor === undefined ? {} : { afterCursor }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** conmon leaves the line feed at the end of a whole line. */
function toLogEntry(entry: JournalEntry): LogEntry {
  const message = entry.get('MESSAGE') ?? Buffer.alloc(0);
  const line = message.at(-1) === LINE_FEED ? message.subarray(0, -1) : message;
  return {
    timestampUs: entry.realtimeUs,
    stream: entry.text('PRIORITY') === '3' ? 'stderr' : 'stdout',
    line: Buffer.from(line),
    partial: entry.text('CONTAINER_PARTIAL_MESSAGE') === 'true',
    cursor: entry.cursor,
  };
}
