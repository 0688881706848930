import { describe, expect, it } from 'vitest';
import { DetachKeys, parseDetachKeys } from './detach-keys.js';

describe('parseDetachKeys', () => {
  it.each([
    ['ctrl-p,ctrl-q', [16, 17]],
    ['ctrl-a,d', [1, 100]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]],
    ['Q', [81]],
    ['', []],
  ])('%j', (text, keys) => {
    expect(parseDetachKeys(text)).toEqual(keys);
  });

  it.each(['ctrl-', 'ctrl-1', 'ctrl-P', 'ab', 'a,,b', 'a,', ' '])('refuses %j', (text) => {
    expect(() => parseDetachKeys(text)).toThrow(/is no key to detach with/);
  });
});

describe('DetachKeys', () => {
  /** Pieces in, what comes out; `!` where it detached. */
  const scan = (keys: string, pieces: readonly string[]) => {
    const scanner = new DetachKeys([...Buffer.from(keys)]);
    let out = '';
    for (const piece of pieces) {
      const { passed, detached } = scanner.scan(Buffer.from(piece));
      out += passed.toString();
      if (detached) return `${out}!`;
    }
    return out + scanner.rest().toString();
  };

  it.each([
    ['pq', ['hello'], 'hello'],
    ['pq', ['apq'], 'a!'],
    ['pq', ['p', 'q'], '!'],
    ['pq', ['p', 'x', 'q'], 'pxq'],
    ['pq', ['ppq'], 'p!'],
    ['pq', ['pp', 'q'], 'p!'],
    ['pq', ['p'], 'p'],
    ['pq', ['pqxyz'], '!'],
    ['aab', ['aaab'], 'a!'],
    ['aab', ['a', 'a', 'c'], 'aac'],
    ['abac', ['ababac'], 'ab!'],
    ['q', ['xq'], 'x!'],
    ['', ['anything'], 'anything'],
  ])('%s in %j gives %s', (keys, pieces, expected) => {
    expect(scan(keys, pieces)).toBe(expected);
  });

  it('keeps back what may become the sequence, and no more', () => {
    const scanner = new DetachKeys([112, 113]);
    expect(scanner.scan(Buffer.from('ap')).passed.toString()).toBe('a');
    expect(scanner.scan(Buffer.from('b')).passed.toString()).toBe('pb');
  });
});
