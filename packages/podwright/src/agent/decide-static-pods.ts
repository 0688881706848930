import type { PodSummary } from '@podwright/core';
import {
  STATIC_FILE_ANNOTATION,
  STATIC_HASH_ANNOTATION,
  type StaticManifests,
  type StaticPod,
} from './static-manifests.js';

/** A pod that is to be as its file says. */
export interface StaticSync {
  readonly action: 'sync';
  readonly uid: string;
  readonly pod: StaticPod;
  readonly key: string;
  /** The file said something else when the pod was last synced. */
  readonly changed: boolean;
  /** What is there has ended as its file said then: it is removed, and what the file says now is a new pod. */
  readonly replaces: boolean;
}

/** One thing to do so that the node is as its directory says. */
export type StaticAction =
  | StaticSync
  | { readonly action: 'remove'; readonly uid: string; readonly name: string; readonly file: string };

/** What is decided from. */
export interface StaticInput {
  readonly manifests: StaticManifests;
  /** All pods of the node. Those without the annotation of a file are somebody else's. */
  readonly present: readonly Pick<PodSummary, 'uid' | 'name' | 'namespace' | 'annotations' | 'phase'>[];
  /** What was last synced with success, by uid: its `key`. */
  readonly done: ReadonlyMap<string, string>;
}

/**
 * What can be done now. A pod whose file cannot be read stays as it is; one whose name another one has that is to go
 * waits for that.
 */
export function decideStaticPods({ manifests, present, done }: StaticInput): readonly StaticAction[] {
  const wanted = new Map(manifests.pods.map((each) => [each.pod.metadata.uid, each]));
  const removals = present.flatMap(({ uid, namespace, name, annotations }): readonly StaticAction[] => {
    const file = annotations[STATIC_FILE_ANNOTATION];
    if (file === undefined || wanted.has(uid) || manifests.failures.has(file)) return [];
    return [{ action: 'remove', uid, name: `${namespace}/${name}`, file }];
  });
  const leaving = new Set(removals.map((action) => action.action === 'remove' && action.name));
  const there = new Map(present.map((each) => [each.uid, each]));
  const syncs = [...wanted].flatMap(([uid, pod]): readonly StaticAction[] => {
    const { namespace, name } = pod.pod.metadata;
    if (leaving.has(`${namespace}/${name}`)) return [];
    const key = JSON.stringify([pod.pod, pod.objects]);
    const before = there.get(uid);
    if (before !== undefined && done.get(uid) === key) return [];
    const noted = before?.annotations[STATIC_HASH_ANNOTATION];
    const changed = noted !== undefined && noted !== pod.pod.metadata.annotations[STATIC_HASH_ANNOTATION];
    const replaces = changed && before !== undefined && hasEnded(before);
    return [{ action: 'sync', uid, pod, key, changed, replaces }];
  });
  return [...removals, ...syncs];
}

/** What a sync of such a pod would leave as it is, so that no work is done twice. */
export function hasEnded({ phase }: Pick<PodSummary, 'phase'>): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}
