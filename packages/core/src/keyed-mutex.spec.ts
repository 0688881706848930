import { describe, expect, it } from 'vitest';
import { KeyedMutex } from './keyed-mutex.js';

/** An action that goes on until it is let go, and notes when it begins. */
function gate(log: string[], name: string) {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const action = async () => {
    log.push(name);
    await opened;
    return name;
  };
  return { action, open: () => open() };
}

describe('KeyedMutex', () => {
  it('does calls of one key in order, and those of another at once', async () => {
    const [mutex, log] = [new KeyedMutex(), [] as string[]];
    const [one, two, other] = [gate(log, 'one'), gate(log, 'two'), gate(log, 'other')];
    const first = mutex.run('a', one.action);
    const second = mutex.run('a', two.action);
    const third = mutex.run('b', other.action);
    other.open();
    expect(await third).toBe('other');
    expect(log).toEqual(['one', 'other']);
    one.open();
    two.open();
    expect(await Promise.all([first, second])).toEqual(['one', 'two']);
  });

  it('goes on after a call that failed', async () => {
    const mutex = new KeyedMutex();
    const failing = mutex.run('a', async () => {
      throw new Error('no');
    });
    const next = mutex.run('a', async () => 'next');
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('next');
  });

  it('lets a waiting call be cancelled at once, and keeps the ones behind it waiting', async () => {
    const [mutex, log] = [new KeyedMutex(), [] as string[]];
    const one = gate(log, 'one');
    const first = mutex.run('a', one.action);
    const controller = new AbortController();
    const cancelled = mutex.run('a', gate(log, 'cancelled').action, controller.signal);
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
    const last = mutex.run('a', async () => log.push('last'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['one']);
    one.open();
    await Promise.all([first, last]);
    expect(log).toEqual(['one', 'last']);
  });

  it('does nothing when the signal has fired already', async () => {
    const log: string[] = [];
    const call = new KeyedMutex().run('a', gate(log, 'one').action, AbortSignal.abort());
    await expect(call).rejects.toMatchObject({ kind: 'cancelled' });
    expect(log).toEqual([]);
  });
});
