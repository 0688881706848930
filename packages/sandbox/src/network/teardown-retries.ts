/** Tries again what failed, with growing pauses, until it is done or not wanted any more. Holds no process awake. */
export class TeardownRetries {
  readonly #waiting = new Map<string, NodeJS.Timeout>();
  readonly #lastDelayMs = new Map<string, number>();
  #closed = false;

  /** @param pauses the first pause and the longest one; each is twice the one before */
  constructor(private readonly pauses: { readonly initial: number; readonly max: number }) {}

  /**
   * Calls `attempt` after the next pause, unless one is under way for this key.
   * @param attempt that calls `schedule` again when it fails
   * @returns the pause in milliseconds, undefined when none was begun
   */
  schedule(key: string, attempt: () => Promise<void>): number | undefined {
    if (this.#closed || this.#waiting.has(key)) return undefined;
    const last = this.#lastDelayMs.get(key);
    const delayMs = last === undefined ? this.pauses.initial : Math.min(this.pauses.max, last * 2);
    this.#lastDelayMs.set(key, delayMs);
    const timer = setTimeout(() => {
      this.#waiting.delete(key);
      void attempt();
    }, delayMs);
    timer.unref();
    this.#waiting.set(key, timer);
    return delayMs;
  }

  /** It is done: the next failure begins with the first pause. Idempotent. */
  done(key: string): void {
    clearTimeout(this.#waiting.get(key));
    this.#waiting.delete(key);
    this.#lastDelayMs.delete(key);
  }

  /** Nothing is tried any more. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#waiting.keys()]) this.done(key);
  }
}
