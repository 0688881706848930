import type { PodSummary } from '@podwright/core';
import { STATIC_FILE_ANNOTATION, type StaticManifests, type StaticPod } from './static-manifests.js';

/** One thing to do so that the node is as its directory says. */
export type StaticAction =
  | { readonly action: 'sync'; readonly uid: string; readonly pod: StaticPod; readonly key: string }
  | { readonly action: 'remove'; readonly uid: string; readonly name: string; readonly file: string };

/** What is decided from. */
export interface StaticInput {
  readonly manifests: StaticManifests;
  /** All pods of the node. Those without the annotation of a file are somebody else's. */
  readonly present: readonly Pick<PodSummary, 'uid' | 'name' | 'namespace' | 'annotations'>[];
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
  const there = new Set(present.map(({ uid }) => uid));
  const syncs = [...wanted].flatMap(([uid, pod]): readonly StaticAction[] => {
    const { namespace, name } = pod.pod.metadata;
    if (leaving.has(`${namespace}/${name}`)) return [];
    const key = JSON.stringify([pod.pod, pod.objects]);
    return done.get(uid) === key && there.has(uid) ? [] : [{ action: 'sync', uid, pod, key }];
  });
  return [...removals, ...syncs];
}
