import type { StringMap } from '../model.js';

/** What `ContainerFilter` and `PodSandboxFilter` have in common, but for the state. */
interface Wanted {
  readonly id?: string;
  readonly sandboxId?: string;
  readonly podUid?: string;
  readonly labels?: StringMap;
}

/**
 * Whether a container or a sandbox is one that a filter wants. The filter's state is not looked at: backends often ask for
 * it later, and only of those that are wanted.
 */
export function isWanted(
  one: {
    readonly id: string;
    readonly sandboxId?: string;
    readonly podUid: string;
    readonly labels: StringMap;
  },
  { id, sandboxId, podUid, labels }: Wanted,
): boolean {
  if (id !== undefined && id !== one.id) return false;
  if (sandboxId !== undefined && sandboxId !== one.sandboxId) return false;
  if (podUid !== undefined && podUid !== one.podUid) return false;
  return hasLabels(one.labels, labels);
}

/** Whether all wanted labels are there, with their values. */
export function hasLabels(labels: StringMap, wanted: StringMap = {}): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => Object.hasOwn(labels, name) && labels[name] === value,
  );
}
