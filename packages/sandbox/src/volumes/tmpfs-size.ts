/** What the kernel takes for a tmpfs that is made without a size (tmpfs(5)). */
const DEFAULT_SIZE = '50%';
const BYTES_PER_KIB = 1024;
/** The kernel rounds up to whole pages; where they are larger a size is only set once more than needed. */
const PAGE_BYTES = 4096;

/**
 * The option that gives a tmpfs another size; undefined when it has the size already.
 * @param present its options as the mount table tells them
 * @param wantedBytes undefined: the kernel's default
 */
export function otherSize(present: readonly string[], wantedBytes: number | undefined): string | undefined {
  const wanted = wantedBytes === undefined ? undefined : Math.ceil(wantedBytes / PAGE_BYTES) * PAGE_BYTES;
  if (sizeOf(present) === wanted) return undefined;
  return sizeOption(wantedBytes);
}

/** The mount option of a size in bytes. */
export function sizeOption(bytes: number | undefined): string {
  return `size=${bytes ?? DEFAULT_SIZE}`;
}

/** In bytes; the kernel tells of one that is not its default, in KiB. */
function sizeOf(options: readonly string[]): number | undefined {
  const found = options.flatMap((option) => /^size=(\d+)(k?)$/.exec(option) ?? []);
  const [, digits, kib] = found;
  return digits === undefined ? undefined : Number(digits) * (kib === 'k' ? BYTES_PER_KIB : 1);
}
