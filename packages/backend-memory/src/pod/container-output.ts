import { type LogEntry, type LogOptions, throwIfAborted } from '@podwright/core';
import { orCancelled } from '../calls.js';
import type { StoredEntry } from '../store/container-log.js';
import { isWithin, selectEntries } from '../store/log-window.js';
import type { SimulatedContainer } from './simulated-container.js';

/** A container's log as its reader asks for it, and what comes after when it follows. */
export async function* readLog(container: SimulatedContainer, options: LogOptions): AsyncGenerator<LogEntry> {
  const { log } = container;
  let seen = log.entries.length;
  let bytesLeft = options.limitBytes ?? Number.POSITIVE_INFINITY;
  let batch: readonly StoredEntry[] = selectEntries(
    log.entries.slice(0, seen),
    options,
    container.presentAttempt,
  );
  for (;;) {
    for (const entry of batch) {
      throwIfAborted(options.signal);
      if (bytesLeft <= 0) return;
      const line = entry.line.subarray(0, bytesLeft);
      // A line feed is a byte of its line, as for kubectl.
      bytesLeft -= line.length + (entry.partial ? 0 : 1);
      const { timestampUs, stream, cursor } = entry;
      yield { timestampUs, stream, line, partial: entry.partial || line.length < entry.line.length, cursor };
    }
    if (!options.follow || options.previous || bytesLeft <= 0) return;
    await orCancelled(log.grownBeyond(seen), options.signal);
    batch = log.entries.slice(seen).filter((entry) => isWithin(entry, options.sinceMs, options.untilMs));
    if (batch.length === 0 && log.closed && log.entries.length === seen) return;
    seen = log.entries.length;
  }
}
