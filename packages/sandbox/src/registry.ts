import { PodwrightError } from '@podwright/core';

/** What is kept by its id and listed by its age. */
export interface Registered {
  readonly id: string;
  readonly createdAtMs: number;
}

/** Things by id, in memory. */
export class Registry<Entry extends Registered> {
  readonly #entries = new Map<string, Entry>();

  /** @param noun what the entries are, for errors: `sandbox` */
  constructor(private readonly noun: string) {}

  get size(): number {
    return this.#entries.size;
  }

  /** @throws PodwrightError kind `already-exists`, `empty-id` */
  add(entry: Entry): void {
    if (entry.id === '') throw new PodwrightError('empty-id', `A ${this.noun} has to have an id.`);
    if (this.#entries.has(entry.id)) {
      throw new PodwrightError('already-exists', `There is a ${this.noun} ${entry.id} already.`, {
        details: { id: entry.id },
      });
    }
    this.#entries.set(entry.id, entry);
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** Idempotent. */
  delete(id: string): void {
    this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The history: newest first; of the same age, the one added later first. */
  list(): readonly Entry[] {
    return [...this.#entries.values()].reverse().sort((left, right) => right.createdAtMs - left.createdAtMs);
  }

  /** The newest one that passes. */
  first(passes: (entry: Entry) => boolean = () => true): Entry | undefined {
    return this.list().find(passes);
  }

  /** Does something with every entry there is now, newest first; entries may be added and deleted on the way. */
  applyAll(action: (entry: Entry) => void): void {
    for (const entry of this.list()) action(entry);
  }
}
