import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

const SECONDS = /^\d{1,9}(?:\.\d+)?$/;

/** A span such as `90s`, `10m` or `1h30m`, or a number of seconds, in milliseconds. */
export function parseDuration(text: string): number {
  if (SECONDS.test(text)) return Number(text) * 1000;
  if (!WHOLE.test(text)) {
    throw new InvalidArgumentError(
      'It has to be a time span such as 500ms, 90s, 10m, 1h30m or 2d, or a number of seconds.',
    );
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(PART)) total += Number(amount) * (UNITS[unit ?? ''] ?? 0);
  return total;
}

/** A moment, as a span before now (`10m`) or in RFC 3339, in milliseconds since the epoch. */
export function parseMoment(text: string, nowMs: number): number {
  if (RFC3339.test(text)) {
    const atMs = Date.parse(text.replace(' ', 'T').toUpperCase());
    if (!Number.isNaN(atMs)) return atMs;
  }
  try {
    // Others take a bare number for a moment since the epoch, or for seconds before now: here it is neither.
    if (text !== '0' && SECONDS.test(text)) throw new InvalidArgumentError('It has no unit.');
    return nowMs - parseDuration(text);
  } catch {
    throw new InvalidArgumentError(
      'It has to be a time span before now, such as 10m or 1h30m, or a moment such as 2026-01-31T12:00:00Z.',
    );
  }
}
