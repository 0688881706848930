import { watch } from 'node:fs';
import { dirname } from 'node:path';
import {
  Clock,
  type LogEntry,
  Logger,
  type LogOptions,
  messageOf,
  PodwrightError,
  throwIfAborted,
} from '@podwright/core';
import { inject, injectable } from 'inversify';
import { fromEvent, interval, merge, Observable, type Subscription } from 'rxjs';
import { ContainerStates } from './container-states.js';
import { formatCursor, LogFile, parseCursor } from './log-file.js';
import { LogTail, parseLogLine } from './log-line.js';
import { StateWatcher } from './state-watcher.js';

/** How often a followed file is looked at where the kernel does not tell of its changes, in milliseconds. */
const POLL_MS = 1000;

/** containerd 1.6 tells of an end before all output stands in the log: how long after one it may still grow. */
const RECENT_MS = 5000;
/** After this time without a new line it is whole. */
const QUIET_MS = 100;

/** Reads containers' output from the files that the runtime writes. */
@injectable()
export class ContainerLogs {
  constructor(
    @inject(ContainerStates) private readonly states: ContainerStates,
    @inject(StateWatcher) private readonly watcher: StateWatcher,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
  ) {}

  /** @throws PodwrightError kind `not-found` for an unknown container, and with `previous`: it is started once only */
  async *read(id: string, options: LogOptions): AsyncIterable<LogEntry> {
    const record = await this.states.record(id);
    throwIfAborted(options.signal);
    if (options.previous === true) {
      throw new PodwrightError(
        'not-found',
        `Container "${record.config.metadata.name}" has no attempt before the present one.`,
        { details: { id } },
      );
    }
    const file = new LogFile(record.logPath);
    try {
      const place = options.afterCursor === undefined ? undefined : parseCursor(options.afterCursor);
      if (place) await file.seek(place);
      yield* limited(this.selected(id, file, record.logPath, options), options.limitBytes);
    } finally {
      await file.close();
    }
  }

  private async *selected(
    id: string,
    file: LogFile,
    path: string,
    options: LogOptions,
  ): AsyncGenerator<LogEntry> {
    const { tail, sinceMs = 0, untilMs = Number.POSITIVE_INFINITY, follow = false, signal } = options;
    const fits = ({ timestampUs }: LogEntry) =>
      timestampUs >= sinceMs * 1000 && timestampUs <= untilMs * 1000;
    if (tail === undefined) {
      for await (const entry of this.settled(id, file, signal)) if (fits(entry)) yield entry;
    } else {
      const last = new LogTail<LogEntry>(tail);
      for await (const entry of this.settled(id, file, signal)) if (fits(entry)) last.push(entry);
      yield* last.entries();
    }
    if (!follow) return;
    const changes = new Changes(this.changes(path), signal);
    try {
      for (;;) {
        // Asked before the reading: what is written until then is read.
        const ended = await this.hasEnded(id);
        const seen = changes.count;
        for await (const entry of this.settled(id, file, signal)) {
          if (entry.timestampUs > untilMs * 1000) return;
          if (fits(entry)) yield entry;
        }
        if (ended) return;
        throwIfAborted(signal);
        await changes.after(seen);
      }
    } finally {
      changes.stop();
    }
  }

  /** What is there, and of a container that has just ended also what is written down late, until nothing more comes. */
  private async *settled(
    id: string,
    file: LogFile,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<LogEntry> {
    yield* this.present(file, signal);
    for (let hasGrown = true; hasGrown && (await this.hasJustEnded(id)); ) {
      await this.clock.sleep(QUIET_MS, signal);
      hasGrown = false;
      for await (const entry of this.present(file, signal)) {
        hasGrown = true;
        yield entry;
      }
    }
  }

  private async hasJustEnded(id: string): Promise<boolean> {
    try {
      const { state, attempts } = await this.states.statusOf(id);
      const { finishedAtMs } = attempts.at(-1) ?? {};
      return (
        state === 'exited' && finishedAtMs !== undefined && this.clock.nowMs() - finishedAtMs < RECENT_MS
      );
    } catch (error) {
      if (PodwrightError.is(error)) return false;
      throw error;
    }
  }

  private async *present(file: LogFile, signal: AbortSignal | undefined): AsyncGenerator<LogEntry> {
    for await (const { raw, inode, end } of file.lines()) {
      throwIfAborted(signal);
      const line = parseLogLine(raw);
      if (line) yield { ...line, line: Buffer.from(line.line), cursor: formatCursor({ inode, offset: end }) };
      else this.logger.warn('a line of a container’s log is none of the CRI', { inode, end });
    }
  }

  private async hasEnded(id: string): Promise<boolean> {
    try {
      const { state } = await this.states.statusOf(id);
      return state === 'exited';
    } catch (error) {
      if (PodwrightError.is(error, 'not-found') || PodwrightError.is(error, 'closed')) return true;
      // The runtime is away, say: it is asked again when it is back.
      this.logger.warn(`Whether container ${id} has ended is not known: ${messageOf(error)}`);
      return false;
    }
  }

  private changes(path: string): Observable<unknown> {
    const written = new Observable((subscriber) => {
      try {
        const watcher = watch(dirname(path));
        const told = fromEvent(watcher, 'change').subscribe(() => subscriber.next(undefined));
        watcher.on('error', () => subscriber.complete());
        return () => {
          told.unsubscribe();
          watcher.close();
        };
      } catch {
        // Without it the file is looked at now and then.
        return undefined;
      }
    });
    return merge(written, this.watcher.events, interval(POLL_MS));
  }
}

/** Counts what an Observable tells, so that nothing between a look and the wait after it is lost. */
class Changes {
  count = 0;
  private wake: () => void = () => undefined;
  private readonly subscription: Subscription;

  constructor(
    source: Observable<unknown>,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.subscription = source.subscribe({ next: () => this.notice(), complete: () => this.notice() });
    signal?.addEventListener('abort', this.notice, { once: true });
  }

  async after(count: number): Promise<void> {
    if (this.count !== count || this.subscription.closed) return;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
  }

  stop(): void {
    this.subscription.unsubscribe();
    this.signal?.removeEventListener('abort', this.notice);
  }

  private readonly notice = (): void => {
    this.count++;
    this.wake();
  };
}

/** Ends after so many bytes of lines, their line feeds counted. */
async function* limited(
  entries: AsyncIterable<LogEntry>,
  limitBytes: number | undefined,
): AsyncGenerator<LogEntry> {
  if (limitBytes === undefined) {
    yield* entries;
    return;
  }
  let left = limitBytes;
  for await (const entry of entries) {
    if (left <= 0) return;
    const { line, partial } = entry;
    yield line.length <= left ? entry : { ...entry, line: line.subarray(0, left), partial: true };
    left -= line.length + (partial ? 0 : 1);
    if (left <= 0) return;
  }
}
