import { PodwrightError } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { ContainerLog } from './container-log.js';
import { selectEntries } from './log-window.js';

async function logOf(...writes: readonly [attempt: number, stream: 'stdout' | 'stderr', text: string][]) {
  let nowMs = 1000;
  const log = new ContainerLog(() => nowMs++);
  for (const [attempt, stream, text] of writes) await log.sink(attempt, stream).write(Buffer.from(text));
  return log.entries;
}

const texts = (entries: readonly { readonly line: Buffer; readonly partial: boolean }[]) =>
  entries.map(({ line, partial }) => line.toString() + (partial ? '…' : ''));

describe('selectEntries', () => {
  it('gives the present attempt, the one before, or all after a cursor', async () => {
    const entries = await logOf([0, 'stdout', 'a\nb\n'], [1, 'stdout', 'c\n'], [2, 'stdout', 'd\n']);
    expect(texts(selectEntries(entries, {}, 2))).toEqual(['d']);
    expect(texts(selectEntries(entries, { previous: true }, 2))).toEqual(['c']);
    expect(texts(selectEntries(entries, { afterCursor: entries[0]?.cursor ?? '' }, 2))).toEqual([
      'b',
      'c',
      'd',
    ]);
  });

  it('counts the parts of a line as one for tail', async () => {
    const entries = await logOf(
      [0, 'stdout', 'one\n'],
      [0, 'stdout', 'tw'],
      [0, 'stdout', 'o\n'],
      [0, 'stdout', 'thr'],
    );
    expect(texts(selectEntries(entries, { tail: 1 }, 0))).toEqual(['thr…']);
    expect(texts(selectEntries(entries, { tail: 2 }, 0))).toEqual(['tw…', 'o', 'thr…']);
    expect(texts(selectEntries(entries, { tail: 0 }, 0))).toEqual([]);
  });

  it('splits what is longer than an entry', async () => {
    const entries = await logOf([0, 'stderr', `${'x'.repeat(20_000)}\n\n`]);
    expect(entries.map(({ line, partial }) => [line.length, partial])).toEqual([
      [8192, true],
      [8192, true],
      [3616, false],
      [0, false],
    ]);
  });

  it.each([
    [{ tail: -1 }, 'invalid-argument'],
    [{ tail: 1.5 }, 'invalid-argument'],
    [{ afterCursor: 'x' }, 'invalid-argument'],
    [{ afterCursor: '99' }, 'invalid-argument'],
    [{ previous: true }, 'not-found'],
  ] as const)('refuses %j', async (options, kind) => {
    const entries = await logOf([0, 'stdout', 'a\n']);
    let thrown: unknown;
    try {
      selectEntries(entries, options, 0);
    } catch (error) {
      thrown = error;
    }
    expect(PodwrightError.is(thrown, kind)).toBe(true);
  });
});
