import { describe, expect, it } from 'vitest';
import { EVERYTHING, InProcessStoreLocks } from './store-locks.js';

/** Settles what can settle, without time passing. */
const turns = () => new Promise((resolve) => setImmediate(resolve));

describe('InProcessStoreLocks', () => {
  it.each<[string, 'shared' | 'exclusive', string[], 'shared' | 'exclusive', string[], boolean]>([
    ['shared with shared', 'shared', ['a'], 'shared', ['a'], true],
    ['exclusive after shared', 'shared', ['a'], 'exclusive', ['a', 'b'], false],
    ['shared after exclusive', 'exclusive', ['a'], 'shared', ['a'], false],
    ['exclusive with exclusive', 'exclusive', ['a'], 'exclusive', ['a'], false],
    ['other keys', 'exclusive', ['a'], 'exclusive', ['b'], true],
    ['everything shared', 'shared', [EVERYTHING], 'shared', ['a'], true],
    ['everything against one', 'shared', [EVERYTHING], 'exclusive', ['a'], false],
    ['one against everything', 'shared', ['a'], 'exclusive', [EVERYTHING], false],
    ['no keys', 'exclusive', [], 'exclusive', [], true],
  ])('%s', async (_, first, firstKeys, second, secondKeys, together) => {
    const locks = new InProcessStoreLocks();
    const held = await locks[first](firstKeys);
    let granted = false;
    const waiting = locks[second](secondKeys).then(() => {
      granted = true;
    });
    await turns();
    expect(granted).toBe(together);
    held[Symbol.dispose]();
    await waiting;
    expect(granted).toBe(true);
  });

  it('lets nobody overtake who waits', async () => {
    const locks = new InProcessStoreLocks();
    const order: string[] = [];
    const pull = await locks.shared(['a']);
    const removal = locks.exclusive(['a']).then((lease) => {
      order.push('removal');
      lease[Symbol.dispose]();
    });
    const later = locks.shared(['a']).then(() => order.push('later pull'));
    const elsewhere = locks.shared(['b']).then(() => order.push('elsewhere'));
    await elsewhere;
    pull[Symbol.dispose]();
    pull[Symbol.dispose]();
    await Promise.all([removal, later]);
    expect(order).toEqual(['elsewhere', 'removal', 'later pull']);
  });

  it('gives up waiting when cancelled, and lets the next one in', async () => {
    const locks = new InProcessStoreLocks();
    const held = await locks.shared(['a']);
    const cancel = new AbortController();
    const waiting = locks.exclusive(['a'], cancel.signal);
    const next = locks.shared(['a']);
    cancel.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
    await next;
    held[Symbol.dispose]();
    await expect(locks.shared(['a'], AbortSignal.abort())).rejects.toMatchObject({ kind: 'cancelled' });
  });
});
