import type { IdMapping } from '@podwright/core';

/** Ids that a pod gets: as many as Kubernetes gives, so that 0 to 65535 of every image are there. */
export const IDS_PER_POD = 65_536;

/** Ids of the host. */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/**
 * Ids that systemd's list leaves unused (systemd.io, "Users, Groups, UIDs and GIDs on systemd Systems": 1879048192 to
 * 2147352575): neither nspawn's containers nor rootless users of a usual /etc/subuid have them.
 */
export const DEFAULT_IDS: IdRange = { first: 1_879_048_192, count: 4_094 * IDS_PER_POD };

/** The first range of `IDS_PER_POD` ids, counted from the beginning of all, that touches none of the taken ones. */
export function firstFree({ first, count }: IdRange, taken: Iterable<IdMapping>): number | undefined {
  const others = [...taken];
  for (let start = first; start + IDS_PER_POD <= first + count; start += IDS_PER_POD) {
    const overlaps = others.some(({ hostId, size }) => hostId < start + IDS_PER_POD && start < hostId + size);
    if (!overlaps) return start;
  }
  return undefined;
}

/** A user's ranges that are long enough, from the text of subuid(5) or subgid(5). */
export function subordinateIds(text: string, user: string): readonly IdRange[] {
  return text.split('\n').flatMap((line) => {
    const [name, first, count] = line.trim().split(':');
    const range = { first: Number(first), count: Number(count) };
    const valid = Number.isSafeInteger(range.first) && range.first > 0 && range.count >= IDS_PER_POD;
    return name === user && valid ? [range] : [];
  });
}
