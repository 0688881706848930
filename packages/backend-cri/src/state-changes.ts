import { cri } from '@podwright/cri-api';
import type { ContainerRecord, Made } from './records.js';

/** What there was at one look, by id. */
export interface StateSnapshot {
  readonly sandboxes: ReadonlyMap<string, { readonly podUid: string; readonly ready: boolean }>;
  readonly containers: ReadonlyMap<
    string,
    { readonly record: Made<ContainerRecord>; readonly state: cri.ContainerState }
  >;
}

interface OfPod {
  readonly sandboxId: string;
  readonly podUid: string;
}

export type StateChange =
  | (OfPod & { readonly type: 'sandbox-created' | 'sandbox-stopped' | 'sandbox-removed' })
  | (OfPod & {
      readonly type: 'container-created' | 'container-started' | 'container-removed';
      readonly containerId: string;
    })
  | (OfPod & { readonly type: 'container-exited'; readonly record: Made<ContainerRecord> });

const { CONTAINER_CREATED, CONTAINER_EXITED } = cri.ContainerState;

/** What has happened between two looks, in the order in which it happens to a pod. What was too quick to be seen is told too. */
export function compareStates(before: StateSnapshot, now: StateSnapshot): readonly StateChange[] {
  const changes: StateChange[] = [];
  for (const [sandboxId, { podUid }] of now.sandboxes) {
    if (!before.sandboxes.has(sandboxId)) changes.push({ type: 'sandbox-created', sandboxId, podUid });
  }
  for (const [containerId, { record, state }] of now.containers) {
    const { sandboxId, podUid } = record;
    const was = before.containers.get(containerId)?.state;
    const of = { sandboxId, podUid, containerId };
    if (was === undefined) changes.push({ ...of, type: 'container-created' });
    if ((was ?? CONTAINER_CREATED) === CONTAINER_CREATED && state !== CONTAINER_CREATED) {
      changes.push({ ...of, type: 'container-started' });
    }
    if (was !== CONTAINER_EXITED && state === CONTAINER_EXITED) {
      changes.push({ type: 'container-exited', sandboxId, podUid, record });
    }
  }
  for (const [sandboxId, { podUid, ready }] of now.sandboxes) {
    if (!ready && before.sandboxes.get(sandboxId)?.ready !== false) {
      changes.push({ type: 'sandbox-stopped', sandboxId, podUid });
    }
  }
  for (const [containerId, { record }] of before.containers) {
    const { sandboxId, podUid } = record;
    if (!now.containers.has(containerId)) {
      changes.push({ type: 'container-removed', sandboxId, podUid, containerId });
    }
  }
  for (const [sandboxId, { podUid }] of before.sandboxes) {
    if (!now.sandboxes.has(sandboxId)) changes.push({ type: 'sandbox-removed', sandboxId, podUid });
  }
  return changes;
}
