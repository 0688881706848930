import { describe, expect, it } from 'vitest';
import { conformanceCases } from './cases/all-cases.js';
import { joinLines } from './log-lines.js';

describe('conformanceCases', () => {
  it('have ids and titles of their own', () => {
    const ids = conformanceCases.map(({ id }) => id);
    const titles = conformanceCases.map(({ section, title }) => `${section}: ${title}`);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(titles).size).toBe(titles.length);
    for (const id of ids) expect(id).toMatch(/^[a-z-]+\/[a-z-]+$/);
  });

  it('are more than eighty without those for a kernel only', () => {
    expect(conformanceCases.filter(({ needs }) => !needs.includes('kernel')).length).toBeGreaterThan(80);
  });
});

describe('joinLines', () => {
  const entry = (stream: 'stdout' | 'stderr', text: string, partial = false) => ({
    timestampUs: 0,
    stream,
    line: Buffer.from(text),
    partial,
    cursor: '',
  });

  it('puts the parts of each stream together', () => {
    const lines = joinLines([
      entry('stdout', 'a', true),
      entry('stderr', 'x'),
      entry('stdout', 'b'),
      entry('stdout', ''),
      entry('stdout', 'rest', true),
    ]);
    expect(lines.map(({ stream, text }) => `${stream} ${text}`)).toEqual([
      'stderr x',
      'stdout ab',
      'stdout ',
      'stdout rest',
    ]);
  });
});
