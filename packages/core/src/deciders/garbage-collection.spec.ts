import { describe, expect, it } from 'vitest';
import type { GcPolicy } from '../pod-types.js';
import { computeGc, type GcContainer, type GcPod } from './garbage-collection.js';

const NOW = 1000;
const KEEP_ALL: GcPolicy = { minAgeMs: 0, maxPerPodContainer: -1, maxContainers: -1 };
const KEEP_NONE: GcPolicy = { minAgeMs: 0, maxPerPodContainer: 0, maxContainers: 0 };

/** An ended container whose id tells its name and its age: `web@300` ended 300 ms ago. */
function ended(id: string): GcContainer {
  const [name = '', age] = id.split('@');
  const atMs = NOW - Number(age);
  return { id, name, state: 'exited', createdAtMs: atMs - 5, finishedAtMs: atMs };
}

function inState(state: GcContainer['state']): GcContainer {
  return { id: state, name: state, state, createdAtMs: 0 };
}

function podOf(uid: string, containers: readonly GcContainer[], fields: Partial<GcPod> = {}): GcPod {
  return { uid, known: true, preparing: false, wanted: false, createdAtMs: 0, containers, ...fields };
}

function gc(policy: GcPolicy, pods: readonly GcPod[], allSourcesReady = false) {
  return computeGc(policy, { nowMs: NOW, allSourcesReady, pods });
}

describe('computeGc', () => {
  it.each(['running', 'waiting', 'created'] as const)('never takes what is %s', (state) => {
    const pod = podOf('a', [inState(state), ended('old@900')]);
    expect(gc(KEEP_NONE, [pod], true)).toEqual({ containers: ['old@900'], pods: [] });
    const forgotten = { ...pod, known: false };
    // A container that was only made has nobody left who would start it.
    const gone = state === 'created' ? ['a'] : [];
    expect(gc(KEEP_NONE, [forgotten], true)).toEqual({ containers: [], pods: gone });
  });

  it('never takes what is being prepared', () => {
    const pods = [
      podOf('a', [ended('init@500')], { preparing: true }),
      podOf('b', [ended('init@500')], { preparing: true, known: false }),
    ];
    expect(gc(KEEP_NONE, pods, true)).toEqual({ containers: [], pods: [] });
  });

  it.each<[string, readonly GcContainer[], readonly string[]]>([
    ['has ended', [ended('web@10'), ended('web@20'), ended('init@30')], ['web@20']],
    ['runs again', [{ ...inState('running'), name: 'web', createdAtMs: NOW }, ended('web@10')], ['web@10']],
    ['was ended before it had a container', [], []],
  ])('keeps a wanted pod that %s, with the last container of each name', (_what, containers, removed) => {
    const pod = podOf('a', containers, { wanted: true });
    expect(gc(KEEP_NONE, [pod], true)).toEqual({ containers: removed, pods: [] });
  });

  it('keeps everything with negative maxima, except forgotten pods when all sources are ready', () => {
    const pods = [podOf('a', [ended('web@1')]), podOf('b', [ended('web@2')], { known: false })];
    expect(gc(KEEP_ALL, pods)).toEqual({ containers: [], pods: [] });
    expect(gc(KEEP_ALL, pods, true)).toEqual({ containers: [], pods: ['b'] });
  });

  it('takes the oldest of each name beyond the maximum, oldest first', () => {
    const pod = podOf('a', [
      ...[ended('web@10'), ended('web@30'), ended('web@20'), ended('side@99'), inState('running')],
    ]);
    expect(gc({ ...KEEP_ALL, maxPerPodContainer: 1 }, [pod]).containers).toEqual(['web@30', 'web@20']);
  });

  it('takes only what ended before the minimum age', () => {
    const pod = podOf('a', [ended('web@10'), ended('web@50'), inState('running')]);
    expect(gc({ ...KEEP_NONE, minAgeMs: 50 }, [pod]).containers).toEqual(['web@50']);
    const young = podOf('b', [ended('web@10')], { known: false });
    expect(gc({ ...KEEP_NONE, minAgeMs: 50 }, [young], true).pods).toEqual([]);
  });

  it('shares the maximum in all evenly before it takes the oldest', () => {
    const running = inState('running');
    const pods = [
      podOf('a', [ended('web@1'), ended('web@2'), ended('web@3'), ended('web@4'), running]),
      podOf('b', [ended('web@90'), running]),
    ];
    expect(gc({ ...KEEP_ALL, maxContainers: 3 }, pods).containers).toEqual(['web@4', 'web@3', 'web@2']);
    expect(gc({ ...KEEP_ALL, maxContainers: 1 }, pods).containers).toEqual([
      ...['web@90', 'web@4', 'web@3', 'web@2'],
    ]);
    expect(gc({ ...KEEP_ALL, maxContainers: 5 }, pods).containers).toEqual([]);
  });

  it('takes a pod whole when nothing of it is left to keep', () => {
    const pods = [
      podOf('a', [ended('web@9'), ended('side@9')]),
      podOf('b', []),
      podOf('c', [ended('web@1')]),
    ];
    expect(gc({ ...KEEP_NONE, minAgeMs: 5 }, pods)).toEqual({ containers: [], pods: ['a', 'b'] });
    expect(gc({ ...KEEP_ALL, maxPerPodContainer: 1 }, pods)).toEqual({ containers: [], pods: ['b'] });
  });

  it('takes a young pod without containers later', () => {
    const pod = podOf('a', [], { createdAtMs: NOW - 5 });
    expect(gc({ ...KEEP_NONE, minAgeMs: 10 }, [pod]).pods).toEqual([]);
  });
});
