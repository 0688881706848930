import { ORPHAN_GRACE_MS, type OrphanReport, type RuntimeService, silentLogger } from '@podwright/core';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { OrphanSweeper } from './orphan-sweeper.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('looks again only when the look before has ended, however long that takes', async () => {
  const ends: (() => void)[] = [];
  const removeOrphans = () =>
    new Promise<OrphanReport>((resolve) => {
      ends.push(() => resolve({ removed: [], marked: [], errors: [] }));
    });
  const sweeper = new OrphanSweeper(
    { removeOrphans } as Partial<RuntimeService> as RuntimeService,
    silentLogger,
  );
  sweeper.start();
  await vi.advanceTimersByTimeAsync(10 * ORPHAN_GRACE_MS);
  expect(ends).toHaveLength(1);
  ends[0]?.();
  await vi.advanceTimersByTimeAsync(ORPHAN_GRACE_MS + 1000);
  expect(ends).toHaveLength(2);
  const stopped = sweeper.stop();
  ends[1]?.();
  await stopped;
  await vi.advanceTimersByTimeAsync(100 * ORPHAN_GRACE_MS);
  expect(ends).toHaveLength(2);
});
