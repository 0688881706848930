import { describe, expect, it } from 'vitest';
import { parseProcessStat, processesOf } from './process-tree.js';

describe('parseProcessStat', () => {
  it('reads a line, whatever the program is called', () => {
    expect(parseProcessStat('42 (a) R 1 (x) S 7 8 9 34816 8 4194304 0')).toEqual({
      pid: 42,
      state: 'S',
      parent: 7,
      session: 9,
      terminal: 34816,
    });
  });
  it('takes no other text', () => {
    expect(parseProcessStat('')).toBeUndefined();
  });
});

describe('processesOf', () => {
  const stat = (pid: number, parent: number, session: number, state = 'S') => ({
    pid,
    parent,
    session,
    state,
    terminal: 0,
  });
  const ALL = [
    stat(1, 0, 1),
    stat(10, 1, 10),
    stat(20, 10, 19),
    stat(21, 20, 19),
    stat(22, 21, 22),
    // Orphans: of the session whose leader 19 is gone, and of a descendant's session.
    stat(30, 1, 19),
    stat(31, 1, 22),
    stat(40, 1, 40),
    stat(23, 20, 19, 'Z'),
  ];

  it('finds descendants and orphans, and no one else', () => {
    expect(processesOf(20, 19, ALL)).toEqual([20, 21, 22, 30, 31]);
  });
  it('still finds the session when the process is gone', () => {
    const rest = ALL.filter(({ pid }) => pid !== 20).map((one) =>
      one.parent === 20 ? { ...one, parent: 1 } : one,
    );
    expect(processesOf(20, 19, rest)).toEqual([21, 22, 30, 31]);
  });
  it('finds nothing for one that is gone with all of its own', () => {
    expect(processesOf(99, undefined, ALL)).toEqual([]);
  });
});
