import { type CallOptions, Clock, PodwrightError } from '@podwright/core';
import { HostExecutor } from '@podwright/nsenter';
import { inject, injectable } from 'inversify';

/** What a directory holds, without other file systems below it. */
export interface DirectoryUsage {
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

interface Measured {
  readonly usage: DirectoryUsage | undefined;
  readonly atMs: number;
  readonly keptMs: number;
}

/** A measurement serves for this many times as long as it took, so that measuring costs a twentieth of a core at most. */
const COST_FACTOR = 20;
const LEAST_AGE_MS = 500;
const GREATEST_AGE_MS = 60_000;

/**
 * Measures directories with du(1): one process for all that are asked for at about the same time, and none for what was
 * measured a moment ago. To read a tree of many files takes long, so the longer it took, the longer it serves: half a
 * second for small ones, a minute at most.
 */
@injectable()
export class DiskUsage {
  private readonly measured = new Map<string, Measured>();
  private batch: { readonly paths: Set<string>; readonly done: Promise<void> } | undefined;

  constructor(
    @inject(HostExecutor) private readonly host: HostExecutor,
    @inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * @param paths directories of the host
   * @returns by path; one that is not there is left out
   * @throws PodwrightError kind `missing-requirement`, `command-failed`, `cancelled`
   */
  async of(
    paths: readonly string[],
    { signal }: CallOptions = {},
  ): Promise<ReadonlyMap<string, DirectoryUsage>> {
    this.forgetOld();
    const missing = paths.filter((path) => !this.measured.has(path));
    if (missing.length > 0) await abortable(this.measure(missing), signal);
    return new Map(
      paths.flatMap((path) => {
        const usage = this.measured.get(path)?.usage;
        return usage === undefined ? [] : [[path, usage] as const];
      }),
    );
  }

  private forgetOld(): void {
    const nowMs = this.clock.nowMs();
    for (const [path, { atMs, keptMs }] of this.measured) {
      if (nowMs - atMs >= keptMs) this.measured.delete(path);
    }
  }

  /** Joins those that ask in the same turn of the event loop. */
  private async measure(paths: readonly string[]): Promise<void> {
    if (this.batch === undefined) {
      const all = new Set<string>();
      const done = new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
        this.batch = undefined;
        await this.measureAll([...all]);
      });
      this.batch = { paths: all, done };
    }
    const { paths: asked, done } = this.batch;
    for (const path of paths) asked.add(path);
    await done;
  }

  private async measureAll(paths: readonly string[]): Promise<void> {
    const begunMs = this.clock.nowMs();
    const [bytes, inodes] = await Promise.all([
      this.run(['--block-size=1'], paths),
      this.run(['--inodes'], paths),
    ]);
    const atMs = this.clock.nowMs();
    const keptMs = Math.min(GREATEST_AGE_MS, Math.max(LEAST_AGE_MS, COST_FACTOR * (atMs - begunMs)));
    for (const path of paths) {
      const [usedBytes, inodesUsed] = [bytes.get(path), inodes.get(path)];
      const usage =
        usedBytes === undefined || inodesUsed === undefined ? undefined : { usedBytes, inodesUsed };
      this.measured.set(path, { usage, atMs, keptMs });
    }
  }

  private async run(unit: readonly string[], paths: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const args = ['--summarize', '--one-file-system', '--null', ...unit, '--files0-from=-'];
    const input = paths.map((path) => `${path}\0`).join('');
    // 1: something was removed while it was counted.
    const { stdout } = await this.host.run({ command: 'du', args, input, okExitCodes: [0, 1] });
    return new Map(
      stdout
        .toString('utf8')
        .split('\0')
        .flatMap((line) => {
          const tab = line.indexOf('\t');
          return tab < 0 ? [] : [[line.slice(tab + 1), Number(line.slice(0, tab))] as const];
        }),
    );
  }
}

/** The measurement goes on for others when one of them no longer waits. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () =>
      reject(
        new PodwrightError('cancelled', 'The measurement was cancelled by its caller.', {
          cause: signal.reason,
        }),
      );
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
