import { Variant } from '../../vendor/dbus-next.mjs';

/**
 * A value on the bus.
 *
 * Received: 64-bit integers come as `number` where that is exact and as `bigint` beyond; byte arrays come as `Buffer`;
 * variants come as the value inside them. Sent: 64-bit integers may be either, variants are made by `variant`.
 */
export type BusValue =
  | string
  | number
  | bigint
  | boolean
  | Buffer
  | BusVariant
  | readonly BusValue[]
  | { readonly [key: string]: BusValue };

/** A value that carries its own D-Bus signature. Made by `variant`. */
export interface BusVariant {
  readonly signature: string;
  readonly value: unknown;
}

/** Packs a value for a place of type `v`. @param signature one complete D-Bus type, such as `as` */
export function variant(signature: string, value: BusValue): BusVariant {
  return new Variant(signature, value);
}

/** What dbus-next decoded, as the values this package promises. */
export function receivedValue(value: unknown): BusValue {
  if (typeof value === 'bigint') {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (value instanceof Variant) return receivedValue(value.value);
  if (Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(receivedValue);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, receivedValue(entry)]));
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  throw new TypeError(`no D-Bus value: ${String(value)}`);
}
