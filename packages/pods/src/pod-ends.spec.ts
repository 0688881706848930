import type { ContainerRuntime } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentOver, FakeBackend, podOf } from './fake-backend.spec-helper.js';
import { ManualClock } from './manual-clock.spec-helper.js';

let clock: ManualClock;
let backend: FakeBackend;
let runtime: ContainerRuntime;

beforeEach(async () => {
  clock = new ManualClock();
  backend = new FakeBackend(clock);
  runtime = await agentOver(backend, clock);
  await runtime.start();
});

afterEach(async () => {
  await runtime[Symbol.asyncDispose]();
});

/** The stops so far: which container, and with what grace in milliseconds. */
function stops(): readonly string[] {
  return backend.calls.flatMap((call) => call.match(/^stopContainer (.*)/)?.[1] ?? []);
}

describe('the grace of a container', () => {
  it.each([
    ['that of the manifest as it is now', {}, 'web 1000'],
    ['that of the call', { graceMs: 50 }, 'web 50'],
  ])('is %s', async (_what, options, expected) => {
    await runtime.runPod(podOf({ terminationGracePeriodSeconds: 600 }));
    const { actions } = await runtime.syncPod(podOf({ terminationGracePeriodSeconds: 1 }));
    expect(actions).toEqual([]);
    await runtime.killPod({ uid: 'uid-1' }, options);
    expect(stops()).toEqual([expected]);
  });
});
