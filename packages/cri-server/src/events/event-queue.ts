import { PodwrightError } from '@podwright/core';

/** What waits for one client; bounded, so that a client that does not read costs no memory. */
export class EventQueue<T> {
  readonly #waiting: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(private readonly limit: number) {}

  /** After `limit` unread items the client's stream ends with an error, and what waited is let go. */
  push(item: T): void {
    if (this.#end !== undefined) return;
    if (this.#waiting.length < this.limit) this.#waiting.push(item);
    else this.fail(tooSlow(this.limit));
    this.#wake();
  }

  /** Ends the stream with this error, before what waits. */
  fail(error: unknown): void {
    this.#waiting.length = 0;
    this.#end ??= { error };
    this.#wake();
  }

  /** Until the signal fires. @throws what `fail` was given */
  async *items(signal: AbortSignal): AsyncGenerator<T> {
    const onAbort = () => {
      this.#end ??= {};
      this.#wake();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      for (;;) {
        const item = signal.aborted ? undefined : this.#waiting.shift();
        if (item !== undefined) yield item;
        else if (this.#end !== undefined) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if ('error' in this.#end) throw this.#end.error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#end ??= {};
    }
  }
}

function tooSlow(limit: number): PodwrightError {
  return new PodwrightError(
    'unavailable',
    `The client has left ${limit} events unread, so that later ones are lost: list all, and ask for events again.`,
  );
}
