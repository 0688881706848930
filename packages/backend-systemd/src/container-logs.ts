import { type LogEntry, type LogOptions, PodwrightError } from '@podwright/core';
import { type JournalEntry, JournalReader, type JournalReadOptions } from '@podwright/journal';
import { SystemdManager } from '@podwright/systemd';
import { inject, injectable } from 'inversify';
import { concatMap, filter, startWith } from 'rxjs';
import type { ContainerRecord } from './container-record.js';
import { ContainerService } from './container-service.js';
import { ContainerStore, type WrittenAttempts } from './container-store.js';
import { containerUnitName } from './host-layout.js';
import { StateLoader } from './state-loader.js';

const LINE_FEED = 10;
const FIELDS = ['MESSAGE', 'PRIORITY', 'CONTAINER_PARTIAL_MESSAGE'];

/** Reads containers' output from the journal, where conmon writes it. */
@injectable()
export class ContainerLogs {
  constructor(
    @inject(JournalReader) private readonly journal: JournalReader,
    @inject(SystemdManager) private readonly manager: SystemdManager,
    @inject(ContainerStore) private readonly store: ContainerStore,
    @inject(ContainerService) private readonly containers: ContainerService,
    @inject(StateLoader) private readonly state: StateLoader,
  ) {}

  /**
   * The output of the present attempt, or of the last one; with `follow` also of those after it.
   * @throws PodwrightError kind `not-found` for an unknown container, or with `previous` when there is no attempt before
   */
  async *read(id: string, options: LogOptions): AsyncIterable<LogEntry> {
    const record = this.store.require(id);
    const attempts = await this.store.attempts(id);
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
    yield* this.entries({ ...journalOptions(record.id, options), invocation });
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
    const watch = this.manager.unitEvents
      .pipe(
        filter((event) => event.type === 'relist' || event.unit === unit),
        startWith(undefined),
        concatMap(() => this.hasEnded(record.id)),
      )
      .subscribe({ next: (ended) => ended && finish.abort(), error: () => finish.abort() });
    try {
      yield* this.entries({
        ...journalOptions(record.id, options),
        sinceUs: Math.max(present, options.sinceMs ?? 0) * 1000,
        follow: true,
        finish: finish.signal,
      });
    } finally {
      watch.unsubscribe();
    }
  }

  private async hasEnded(id: string): Promise<boolean> {
    await this.state.refresh();
    const record = this.store.get(id);
    return record === undefined || (await this.containers.status(record)).state === 'exited';
  }

  private async *entries(options: JournalReadOptions): AsyncIterable<LogEntry> {
    for await (const entry of this.journal.read(options)) yield toLogEntry(entry);
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
