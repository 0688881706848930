import { InvalidArgumentError } from 'commander';
import { parseDuration } from './parse-time.js';

/** A whole number, 0 or more. */
export function parseCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number, 0 or more.');
}

/** A whole number; negative ones mean: no limit. */
export function parseLimit(text: string): number {
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number; a negative one means no limit.');
}

/** A number of seconds, or a span such as `1m30s`, in seconds. */
export function parseSeconds(text: string): number {
  return parseDuration(text) / 1000;
}

/** A TCP port. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError(`"${text}" is no port: it has to be from 1 to 65535.`);
}

/** All lines (`all`), or the last so many. */
export function parseTail(text: string): number | 'all' {
  return text === 'all' || text === '-1' ? 'all' : parseCount(text);
}

/** Two percentages, `85:80`: from which on images are removed, and down to which. */
export function parseThresholds(text: string): { readonly highPercent: number; readonly lowPercent: number } {
  const [, high, low] = /^(\d{1,3}):(\d{1,3})$/.exec(text) ?? [];
  const [highPercent, lowPercent] = [Number(high), Number(low)];
  if (highPercent <= 100 && lowPercent <= highPercent) return { highPercent, lowPercent };
  throw new InvalidArgumentError('It has to be two percentages, the higher one first, such as 85:80.');
}
