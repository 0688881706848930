/** Does tasks of one key one after the other, of different keys at once. */
export class TaskQueues {
  readonly #tails = new Map<string, Promise<void>>();

  run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const result = (this.#tails.get(key) ?? Promise.resolve()).then(task);
    const tail = result.then(
      () => undefined,
      () => undefined,
    );
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }
}

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
