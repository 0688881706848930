/** How much goes into one message of a streamed list, so that none comes near the size that clients take. */
const BATCH = 100;

/** The items of a list in parts, for the streaming calls; an empty list has none. */
export function* inBatches<T>(items: readonly T[], size = BATCH): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
