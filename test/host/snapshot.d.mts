/** What is there on a machine; in each list a text stands for the same thing in every snapshot. */
export interface Snapshot {
  readonly units: readonly string[];
  readonly mounts: readonly string[];
  readonly namespaces: readonly string[];
  readonly processes: readonly string[];
  readonly interfaces: readonly string[];
}

export function takeSnapshot(only?: RegExp): Snapshot;
export function leftovers(before: Snapshot, after: Snapshot): string[];
export function lastingLeftovers(
  before: Snapshot,
  options: { readonly only?: RegExp; readonly timeoutMs: number },
): Promise<string[]>;
