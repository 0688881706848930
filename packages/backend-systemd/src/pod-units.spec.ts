import { PodwrightError } from '@podwright/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { PodUnits } from './pod-units.js';
import { containerRecord, errorOf } from './testing.spec-helper.js';

const SLICE = 'podwright-poduid.slice';
const container = containerRecord({ sandboxId: 'lost', podUid: 'uid', slice: SLICE });

let calls: string[];
let events: object[];
let unreadable: Map<string, PodwrightError>;
let containers: (typeof container)[];

function newUnits(): PodUnits {
  const note = (call: string) => async (subject: string) => void calls.push(`${call} ${subject}`);
  const sandboxes = { get: () => undefined, list: () => [], unreadable, remove: note('sandbox') };
  const slices = { nameOf: () => SLICE, remove: note('slice') };
  const persistent = { removePod: note('restore') };
  const store = {
    list: () => containers,
    get: (id: string) => containers.find((each) => each.id === id),
  };
  const service = {
    stop: note('stop'),
    remove: async (id: string) => {
      await note('container')(id);
      return true;
    },
  };
  const watcher = {
    refresh: async () => undefined,
    forget: async () => undefined,
    emit: (event: object) => events.push(event),
  };
  const clock = { nowMs: () => 1 };
  return Reflect.construct(PodUnits, [
    ...[sandboxes, slices, persistent, store, undefined, service, watcher],
    ...[undefined, undefined, clock, undefined],
  ]);
}

beforeEach(() => {
  calls = [];
  events = [];
  unreadable = new Map();
  containers = [container];
});

describe('a sandbox whose record cannot be read', () => {
  it('is removed with its containers, which tell whose it was', async () => {
    unreadable.set('lost', new PodwrightError('corrupt-state', 'not JSON'));
    await newUnits().remove('lost', {});
    expect(calls).toEqual([
      ...['restore uid', `stop ${container.id}`, `container ${container.id}`, 'sandbox lost', 'slice uid'],
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'sandbox-removed', sandboxId: 'lost', podUid: 'uid' });
  });

  it('is removed without any', async () => {
    unreadable.set('lost', new PodwrightError('corrupt-state', 'not JSON'));
    containers = [];
    await newUnits().remove('lost', {});
    expect([calls, events]).toEqual([['sandbox lost'], []]);
  });

  it('is left as it is when a newer agent wrote it', async () => {
    unreadable.set('lost', new PodwrightError('unsupported', 'version 9'));
    expect((await errorOf(() => newUnits().remove('lost', {}))).kind).toBe('unsupported');
    expect(calls).toEqual([]);
  });
});
