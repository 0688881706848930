import { NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { consume } from './consume.js';

const { signal } = new AbortController();

describe('consume', () => {
  it('takes values that come while it is being subscribed to', async () => {
    const taken: number[] = [];
    await consume(of(1, 2), signal, async (value) => void taken.push(value));
    expect(taken).toEqual([1, 2]);
  });

  it('fails with an error that is there at once', async () => {
    const failing = throwError(() => new Error('at once'));
    await expect(consume(failing, signal, async () => undefined)).rejects.toThrow('at once');
  });

  it('fails with what the handler fails with, and lets go', async () => {
    const source = new Subject<number>();
    const consumed = consume(source, signal, () => Promise.reject(new Error('of the handler')));
    source.next(1);
    await expect(consumed).rejects.toThrow('of the handler');
    expect(source.observed).toBe(false);
  });

  it('fails with the reason of a signal, also of one that has fired', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const consumed = consume(NEVER, controller.signal, async () => undefined);
    controller.abort(reason);
    await expect(consumed).rejects.toBe(reason);
    await expect(consume(NEVER, controller.signal, async () => undefined)).rejects.toBe(reason);
  });
});
