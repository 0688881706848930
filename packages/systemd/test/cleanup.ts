import { afterEach } from 'vitest';

/** What a test made, undone in reverse after it. */
export class Cleanup {
  private readonly steps: (() => unknown)[] = [];

  constructor() {
    afterEach(async () => {
      for (const step of this.steps.splice(0).reverse()) await step();
    });
  }

  defer(step: () => unknown): void {
    this.steps.push(step);
  }

  use<T extends AsyncDisposable>(made: T): T {
    this.defer(() => made[Symbol.asyncDispose]());
    return made;
  }
}
