/** Samples closer together than this say little: the kernel's counters advance in steps. */
const MIN_WINDOW_MS = 100;
const DEFAULT_LIMIT = 10_000;

interface Sample {
  readonly usageNanoseconds: number;
  readonly timestampMs: number;
  readonly nanoCores?: number;
}

/** How much of the processors things use, from two samples of the time that they have used. */
export class CpuRates {
  /** The one that was asked for longest ago first. */
  readonly #samples = new Map<string, Sample>();

  /** @param limit how many things are remembered; then the one that was asked for longest ago is forgotten */
  constructor(private readonly limit = DEFAULT_LIMIT) {}

  get size(): number {
    return this.#samples.size;
  }

  /**
   * Billionths of a core used since the sample before; undefined for the first one, and after the counter began anew.
   * @param id of a container or a sandbox
   */
  nanoCores(id: string, usageNanoseconds: number, timestampMs: number): number | undefined {
    const before = this.#samples.get(id);
    const sample = next(before, usageNanoseconds, timestampMs);
    this.#samples.delete(id);
    this.#samples.set(id, sample);
    if (this.#samples.size > this.limit) {
      for (const oldest of this.#samples.keys()) {
        this.#samples.delete(oldest);
        break;
      }
    }
    return sample.nanoCores;
  }
}

function next(before: Sample | undefined, usageNanoseconds: number, timestampMs: number): Sample {
  if (before === undefined || usageNanoseconds < before.usageNanoseconds)
    return { usageNanoseconds, timestampMs };
  const elapsedMs = timestampMs - before.timestampMs;
  if (elapsedMs < MIN_WINDOW_MS) return before;
  const nanoCores = Math.round(((usageNanoseconds - before.usageNanoseconds) / elapsedMs) * 1000);
  return { usageNanoseconds, timestampMs, nanoCores };
}
