import type { Clock } from '@podwright/core';

/** A clock that stands still unless a test moves it; a sleep moves it at once. */
export class ManualClock implements Clock {
  time = 1_700_000_000_000;
  readonly sleeps: number[] = [];

  nowMs(): number {
    return this.time;
  }

  async sleep(delayMs: number): Promise<void> {
    this.sleeps.push(delayMs);
    this.time += delayMs;
  }
}
