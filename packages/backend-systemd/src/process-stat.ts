import type { ThreadStates } from '@podwright/core';

/** Of /proc/PID/stat and /proc/PID/task/TID/stat, see proc(5). */
export interface ProcessStat {
  /** One letter. */
  readonly state: string;
  readonly parentId: number;
  readonly threads: number;
}

/** The name before these fields may have blanks and parentheses in it. */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', parentId: Number(fields[1]), threads: Number(fields[17]) };
}

const STATES: Readonly<Record<string, keyof ThreadStates>> = {
  R: 'running',
  S: 'sleeping',
  D: 'uninterruptible',
  T: 'stopped',
  t: 'stopped',
};

/** A thread that has ended, and waits for its parent only, is none of these. */
export function countStates(states: readonly string[]): ThreadStates {
  const counts = { running: 0, sleeping: 0, uninterruptible: 0, stopped: 0 };
  for (const state of states) {
    const name = STATES[state];
    if (name !== undefined) counts[name] += 1;
  }
  return counts;
}

/**
 * Soft limits of /proc/PID/limits by their names, as in `max_open_files`; without the unlimited ones. Columns are
 * parted by two blanks at least, as a name has single ones.
 */
export function parseSoftLimits(text: string): Readonly<Record<string, number>> {
  const limits: Record<string, number> = {};
  for (const line of text.split('\n').slice(1)) {
    const [name = '', soft = ''] = line.split(/ {2,}/);
    if (/^\d+$/.test(soft)) limits[name.toLowerCase().replaceAll(' ', '_')] = Number(soft);
  }
  return limits;
}
