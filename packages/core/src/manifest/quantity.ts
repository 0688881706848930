import { PodwrightError } from '../errors.js';

/** A quantity as an exact number: `units` × 10^-9, as fine as Kubernetes counts. */
const NANO_DIGITS = 9n;
const NANOS_PER_UNIT = 10n ** NANO_DIGITS;
const NANOS_PER_MILLI = 10n ** 6n;

const BINARY_POWER: Readonly<Record<string, bigint>> = { Ki: 1n, Mi: 2n, Gi: 3n, Ti: 4n, Pi: 5n, Ei: 6n };
const DECIMAL_EXPONENT: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
/** Beyond this exponent nothing that a machine has can be meant, and 10 ** n would only cost memory. */
const LARGEST_EXPONENT = 30;

/**
 * Reads a Kubernetes quantity: `500m`, `1.5`, `64Mi`, `1e3`. Rounded up to a billionth, as Kubernetes does.
 * @returns billionths of the unit, or undefined when the text is no quantity
 * Source: k8s.io/apimachinery/pkg/api/resource, "Quantity".
 */
export function quantityNanos(text: string): bigint | undefined {
  const match = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([KMGTPE]i)|([eE][+-]?\d+)|([numkMGTPE]?))$/.exec(text);
  if (!match) return undefined;
  const [, sign, digits = '', binary, exponentText, decimal] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const mantissa = BigInt(whole + fraction);
  let numerator = mantissa * NANOS_PER_UNIT;
  let exponent = -fraction.length;
  if (binary !== undefined) numerator *= 1024n ** (BINARY_POWER[binary] ?? 0n);
  else if (exponentText !== undefined) exponent += Number(exponentText.slice(1));
  else exponent += DECIMAL_EXPONENT[decimal ?? ''] ?? 0;
  if (Math.abs(exponent) > LARGEST_EXPONENT + fraction.length) return undefined;
  const nanos =
    exponent >= 0 ? numerator * 10n ** BigInt(exponent) : divideUp(numerator, 10n ** BigInt(-exponent));
  return sign === '-' ? -nanos : nanos;
}

/**
 * A CPU quantity in thousandths of a core, rounded up.
 * @throws PodwrightError kind `invalid-argument` when the text is no quantity
 */
export function quantityMillis(text: string): number {
  return Number(divideUp(nanosOf(text), NANOS_PER_MILLI));
}

/**
 * A quantity of bytes, rounded up to whole ones.
 * @throws PodwrightError kind `invalid-argument` when the text is no quantity
 */
export function quantityBytes(text: string): number {
  return Number(divideUp(nanosOf(text), NANOS_PER_UNIT));
}

/** Why a text is no amount of CPU, or undefined when it is one. */
export function cpuQuantityProblem(text: string): string | undefined {
  const nanos = quantityNanos(text);
  if (nanos === undefined) return 'has to be a quantity of CPU, such as 500m, 0.5 or 2';
  if (nanos < 0n) return 'must not be negative';
  return nanos > 1_000_000n * NANOS_PER_UNIT ? 'is more than a million cores' : undefined;
}

/** Why a text is no amount of bytes, or undefined when it is one. */
export function byteQuantityProblem(text: string): string | undefined {
  const nanos = quantityNanos(text);
  if (nanos === undefined) return 'has to be a quantity of bytes, such as 64Mi, 1Gi or 500M';
  if (nanos < 0n) return 'must not be negative';
  if (nanos > BigInt(Number.MAX_SAFE_INTEGER) * NANOS_PER_UNIT) return 'is more than 8 PiB';
  if (nanos % NANOS_PER_UNIT !== 0n) {
    const hint = /m$/.test(text) ? `: "m" means thousandths, did you mean ${text.slice(0, -1)}Mi?` : '';
    return `is not a whole number of bytes${hint}`;
  }
  return undefined;
}

function nanosOf(text: string): bigint {
  const nanos = quantityNanos(text);
  if (nanos === undefined) {
    throw new PodwrightError(
      'invalid-argument',
      `"${text}" is no quantity: write it like 500m, 1.5, 64Mi or 1e3.`,
      { details: { value: text } },
    );
  }
  return nanos;
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend > 0n && dividend % divisor !== 0n ? quotient + 1n : quotient;
}
