import { describe, expect, it } from 'vitest';
import { PendingRequests } from './pending-requests.js';

describe('pending requests', () => {
  it('gives each request once it is asked for, until it is removed', () => {
    const pending = new PendingRequests<string>({ ttlMs: 1000, max: 10 });
    const token = pending.add('one', 0);
    expect(pending.look(token, 500)).toBe('one');
    pending.remove(token);
    expect(pending.look(token, 500)).toBeUndefined();
  });

  it('forgets a request when its time is over', () => {
    const pending = new PendingRequests<string>({ ttlMs: 1000, max: 10 });
    const token = pending.add('one', 0);
    expect(pending.look(token, 999)).toBe('one');
    expect(pending.look(token, 1000)).toBeUndefined();
  });

  it('takes no more than its limit, and again when some have expired', () => {
    const pending = new PendingRequests<number>({ ttlMs: 1000, max: 2 });
    pending.add(1, 0);
    pending.add(2, 500);
    expect(() => pending.add(3, 999)).toThrow(expect.objectContaining({ kind: 'unavailable' }));
    const token = pending.add(3, 1000);
    expect(pending.look(token, 1000)).toBe(3);
  });

  it('makes tokens of 192 bits that differ', () => {
    const pending = new PendingRequests<number>({ ttlMs: 1000, max: 1000 });
    const tokens = Array.from({ length: 1000 }, (_, index) => pending.add(index, 0));
    expect(new Set(tokens).size).toBe(1000);
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{32}$/);
  });
});
