import { PodwrightError } from '@podwright/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Registered, Registry } from './registry.js';

let registry: Registry<Registered>;
beforeEach(() => {
  registry = new Registry('thing');
  for (const [id, createdAtMs] of [
    ['b', 2],
    ['a', 1],
    ['c', 3],
    ['c2', 3],
  ] as const)
    registry.add({ id, createdAtMs });
});

describe('Registry', () => {
  it('lists the newest first, and of the same age the one added later', () => {
    expect(registry.list().map(({ id }) => id)).toEqual(['c2', 'c', 'b', 'a']);
    expect(registry.size).toBe(4);
  });

  it('finds by id, and the first that passes', () => {
    expect(registry.get('a')).toEqual({ id: 'a', createdAtMs: 1 });
    expect(registry.get('x')).toBeUndefined();
    expect(registry.first()?.id).toBe('c2');
    expect(registry.first(({ createdAtMs }) => createdAtMs < 3)?.id).toBe('b');
    expect(registry.first(() => false)).toBeUndefined();
  });

  it('deletes, also what is not there', () => {
    registry.delete('b');
    registry.delete('b');
    expect(registry.get('b')).toBeUndefined();
    expect(registry.size).toBe(3);
  });

  it('applies to all there were, also when they are deleted on the way', () => {
    const seen: string[] = [];
    registry.applyAll(({ id }) => {
      seen.push(id);
      registry.delete(id);
      registry.delete('a');
    });
    expect(seen).toEqual(['c2', 'c', 'b', 'a']);
    expect(registry.size).toBe(0);
  });

  it.each([
    ['the same id again', 'a', 'already-exists'],
    ['an empty id', '', 'empty-id'],
  ] as const)('refuses %s', (_what, id, kind) => {
    expect(() => registry.add({ id, createdAtMs: 9 })).toThrow(
      expect.toSatisfy((error) => PodwrightError.is(error, kind)),
    );
    expect(registry.size).toBe(4);
  });
});
