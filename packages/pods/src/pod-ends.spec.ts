import type { ContainerRuntime, PodEvent } from '@podwright/core';
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

describe('the grace of sidecars', () => {
  const sidecar = (name: string, more = {}) => ({ name, image: 'init:1', restartPolicy: 'Always', ...more });

  /** Each of these takes so long to end, in milliseconds. */
  function slow(takeMs: Readonly<Record<string, number>>) {
    backend.hook = (call, subject) => {
      const [name = ''] = subject.split(' ');
      if (call === 'stopContainer') clock.time += takeMs[name] ?? 0;
    };
  }

  it.each<[string, number, { graceMs?: number }, Readonly<Record<string, number>>, readonly string[]]>([
    ['is what the others leave', 30, {}, { web: 20_000, b: 4000 }, ['web 30000', 'b 10000', 'a 6000']],
    ['is 2 s when they leave less', 5, {}, { web: 5000, b: 2000 }, ['web 5000', 'b 2000', 'a 2000']],
    [
      'is that of a call with less than 2 s',
      30,
      { graceMs: 500 },
      { web: 500 },
      ['web 500', 'b 500', 'a 500'],
    ],
    ['is none when the call says so', 30, { graceMs: 0 }, {}, ['web 0', 'b 0', 'a 0']],
    ['is none when the manifest says so', 0, {}, { web: 10 }, ['web 0', 'b 0', 'a 0']],
  ])('%s', async (_what, terminationGracePeriodSeconds, options, takeMs, expected) => {
    const initContainers = [sidecar('a'), sidecar('b')];
    await runtime.runPod(podOf({ initContainers, terminationGracePeriodSeconds }));
    slow(takeMs);
    await runtime.killPod({ uid: 'uid-1' }, options);
    expect(stops()).toEqual(expected);
  });

  it('is one for all of them when the last container has ended', async () => {
    const initContainers = [sidecar('a'), sidecar('b'), sidecar('c')];
    await runtime.runPod(
      podOf({ initContainers, restartPolicy: 'Never', terminationGracePeriodSeconds: 10 }),
    );
    slow({ c: 7000, b: 4000 });
    backend.endByName('web', 0);
    await expect.poll(stops).toEqual(['c 10000', 'b 3000', 'a 2000']);
  });

  it('leaves time for their preStop hook', async () => {
    const events: PodEvent[] = [];
    runtime.events.subscribe((event) => events.push(event));
    const preStop = { exec: { command: ['flush'] } };
    const initContainers = [sidecar('a', { lifecycle: { preStop } })];
    await runtime.runPod(podOf({ initContainers, terminationGracePeriodSeconds: 5 }));
    slow({ web: 5000 });
    await runtime.killPod({ uid: 'uid-1' });
    expect(events.map(({ reason }) => reason)).toContain('FailedPreStopHook');
    expect(stops()).toEqual(['web 5000', 'a 2000']);
  });
});

describe('a kill while another one is under way', () => {
  /** Ends when it is stopped a second time. @returns when it is stopped first */
  function deaf(name: string): Promise<void> {
    let kill = () => {};
    const killed = new Promise<void>((resolve) => {
      kill = resolve;
    });
    return new Promise((resolve) => {
      let count = 0;
      backend.hook = async (call, subject) => {
        if (call !== 'stopContainer' || !subject.startsWith(`${name} `)) return;
        count++;
        resolve();
        if (count > 1) kill();
        await killed;
      };
    });
  }

  it.each<['killPod' | 'removePod', number, readonly string[]]>([
    ['killPod', 0, ['web 3600000', 'web 0', 'a 0']],
    ['removePod', 0, ['web 3600000', 'web 0', 'a 0']],
    ['killPod', 500, ['web 3600000', 'web 0', 'a 500']],
    ['killPod', 30_000, ['web 3600000', 'web 0', 'a 2000']],
  ])('ends both when its own grace is over: %s with %i ms', async (method, graceMs, expected) => {
    const initContainers = [{ name: 'a', image: 'init:1', restartPolicy: 'Always' }];
    await runtime.runPod(podOf({ initContainers, terminationGracePeriodSeconds: 3600 }));
    const begun = deaf('web');
    const first = runtime.killPod({ uid: 'uid-1' });
    await begun;
    await runtime[method]({ uid: 'uid-1' }, { graceMs });
    await first;
    expect(stops()).toEqual(expected);
  });
});
