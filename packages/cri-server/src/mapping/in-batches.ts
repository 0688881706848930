/** How much goes into one message of a streamed list: 4 MiB is what gRPC takes by default, and kubelets take 16. */
const MAX_ITEMS = 100;
const MAX_BYTES = 3 * 1024 * 1024;

/** What a number, or the beginning of a field, takes at most. */
const SCALAR_BYTES = 10;

/** The items of a list in parts, for the streaming calls; an empty list has none. One that is too large comes alone. */
export function* inBatches<T>(
  items: readonly T[],
  { maxItems = MAX_ITEMS, maxBytes = MAX_BYTES }: { maxItems?: number; maxBytes?: number } = {},
): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (batch.length > 0 && (batch.length === maxItems || bytes + size > maxBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** At least as much as a message takes: the names of its fields are counted, as those of a map's entries. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return SCALAR_BYTES + Buffer.byteLength(value);
  if (value instanceof Uint8Array) return SCALAR_BYTES + value.length;
  if (typeof value !== 'object' || value === null) return SCALAR_BYTES;
  return Object.entries(value).reduce((sum, [key, each]) => sum + sizeOf(key) + sizeOf(each), SCALAR_BYTES);
}
