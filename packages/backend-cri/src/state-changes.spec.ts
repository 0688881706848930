import { cri } from '@podwright/cri-api';
import { describe, expect, it } from 'vitest';
import type { ContainerRecord, Made } from './records.js';
import { compareStates, type StateSnapshot } from './state-changes.js';

const {
  CONTAINER_CREATED: CREATED,
  CONTAINER_RUNNING: RUNNING,
  CONTAINER_EXITED: EXITED,
} = cri.ContainerState;

const record = (id: string): Made<ContainerRecord> => ({
  version: 1,
  key: id,
  id,
  sandboxId: 's',
  podUid: 'uid',
  imageId: 'sha256:1',
  logPath: '/log',
  config: {
    metadata: { name: id, attempt: 0 },
    image: 'i',
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    resources: {},
    security: {},
    restart: { by: 'caller' },
    terminationGraceMs: 0,
  },
});

function snapshot(ready: boolean | undefined, state?: cri.ContainerState): StateSnapshot {
  return {
    sandboxes: new Map(ready === undefined ? [] : [['s', { podUid: 'uid', ready }]]),
    containers: new Map(state === undefined ? [] : [['c', { record: record('c'), state }]]),
  };
}

describe('what has happened between two looks', () => {
  it.each<[string, StateSnapshot, StateSnapshot, readonly string[]]>([
    ['nothing', snapshot(true, RUNNING), snapshot(true, RUNNING), []],
    ['a new sandbox', snapshot(undefined), snapshot(true), ['sandbox-created']],
    ['a new container', snapshot(true), snapshot(true, CREATED), ['container-created']],
    ['a start', snapshot(true, CREATED), snapshot(true, RUNNING), ['container-started']],
    ['an exit', snapshot(true, RUNNING), snapshot(true, EXITED), ['container-exited']],
    [
      'a run that no look has seen',
      snapshot(true, CREATED),
      snapshot(true, EXITED),
      ['container-started', 'container-exited'],
    ],
    [
      'a pod that came and went half way unseen',
      snapshot(undefined),
      snapshot(false, EXITED),
      ['sandbox-created', 'container-created', 'container-started', 'container-exited', 'sandbox-stopped'],
    ],
    ['a stop', snapshot(true, EXITED), snapshot(false, EXITED), ['sandbox-stopped']],
    ['a removal', snapshot(false, EXITED), snapshot(undefined), ['container-removed', 'sandbox-removed']],
  ])('%s', (_what, before, now, expected) => {
    expect(compareStates(before, now).map(({ type }) => type)).toEqual(expected);
  });
});
