/** A second call for the same key while the first is under way gets the first one's outcome. */
export class SharedCalls {
  readonly #calls = new Map<string, Promise<void>>();

  run(key: string, call: () => Promise<void>): Promise<void> {
    const running = this.#calls.get(key);
    if (running) return running;
    const started = call().finally(() => this.#calls.delete(key));
    this.#calls.set(key, started);
    return started;
  }
}
