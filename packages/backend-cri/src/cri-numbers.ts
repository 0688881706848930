/** Milliseconds since the epoch of the CRI's nanoseconds; 0 and less: not yet. */
export function toMilliseconds(nanoseconds: bigint): number | undefined {
  return nanoseconds <= 0n ? undefined : Number(nanoseconds / 1000n) / 1000;
}

/** Whole seconds, as the CRI has times; never less than was asked for. */
export function toSeconds(milliseconds: number): bigint {
  return BigInt(Math.ceil(milliseconds / 1000));
}

/** A number of the CRI where one was given. */
export function toNumber(value: { readonly value: bigint } | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.value);
}
