/** Something that has no owner, found by whoever made it. */
export interface Orphan {
  /** In words, the same at every look, e.g. `unit podwright-….service`. */
  readonly what: string;
  /** Removes it, unless it is gone or has an owner by now. Idempotent. */
  remove(): Promise<void>;
}

/** When each thing without an owner was seen first, in milliseconds since the epoch, by its name. */
export type OrphanMarks = ReadonlyMap<string, number>;

export interface OrphanDecision {
  /** To be removed now, in the order in which they were found. */
  readonly sweep: readonly string[];
  /** Still within their grace. */
  readonly spare: readonly string[];
  /** To be remembered: those of everything that was found, so that what cannot be removed is not spared again. */
  readonly marks: OrphanMarks;
}

/**
 * What of the things without an owner is removed: those that were seen so for the whole grace. What has an owner again,
 * or is gone, loses its mark.
 * @param found names of what has no owner now
 * @param marks from the look before
 * @param options `nowMs`: the time; `graceMs`: 0 removes everything
 */
export function decideOrphans(
  found: readonly string[],
  marks: OrphanMarks,
  { nowMs, graceMs }: { readonly nowMs: number; readonly graceMs: number },
): OrphanDecision {
  // A mark from the future is of a clock that was set back since: it begins anew.
  const since = (name: string) => Math.min(marks.get(name) ?? nowMs, nowMs);
  const isDue = (name: string) => nowMs - since(name) >= graceMs;
  return {
    sweep: found.filter(isDue),
    spare: found.filter((name) => !isDue(name)),
    marks: new Map(found.map((name) => [name, since(name)])),
  };
}
