import { setImmediate } from 'node:timers/promises';
import { PodwrightError, silentLogger, throwIfAborted } from '@podwright/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { SharedCreations } from './shared-creations.js';

/** A making that the test lets end; it gives up when it is told to, and then takes a while to clean up. */
class Making {
  readonly events: string[] = [];
  readonly signals: AbortSignal[] = [];
  private readonly ends: PromiseWithResolversOf<string>[] = [];
  heedsSignal = true;

  readonly steps = {
    make: async (signal: AbortSignal) => {
      this.events.push('make');
      this.signals.push(signal);
      const end = withResolvers<string>();
      this.ends.push(end);
      const id = await end.promise;
      if (this.heedsSignal) throwIfAborted(signal);
      return id;
    },
    undo: async (id: string) => void this.events.push(`undo ${id}`),
  };

  end(index: number, id: string): void {
    this.ends[index]?.resolve(id);
  }

  fail(index: number, error: Error): void {
    this.ends[index]?.reject(error);
  }
}

interface PromiseWithResolversOf<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function withResolvers<T>(): PromiseWithResolversOf<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

let creations: SharedCreations;
let warnings: string[];
let making: Making;

beforeEach(() => {
  warnings = [];
  creations = new SharedCreations({ ...silentLogger, warn: (message) => void warnings.push(message) });
  making = new Making();
});

/** Runs what is due. */
async function turn(): Promise<void> {
  await setImmediate();
}

const never = new AbortController().signal;

describe('SharedCreations', () => {
  it('makes one thing for all who ask at the same time, and another one afterwards', async () => {
    const both = Promise.all([
      creations.run('a', making.steps, never),
      creations.run('a', making.steps, never),
    ]);
    await turn();
    making.end(0, 'id-1');
    expect(await both).toEqual(['id-1', 'id-1']);
    const next = creations.run('a', making.steps, never);
    await turn();
    making.end(1, 'id-2');
    expect(await next).toBe('id-2');
  });

  it('makes things of other keys beside it', async () => {
    void creations.run('a', making.steps, never);
    void creations.run('b', making.steps, never);
    await turn();
    expect(making.events).toEqual(['make', 'make']);
  });

  it('goes on while one is left who waits', async () => {
    const gone = new AbortController();
    const first = creations.run('a', making.steps, gone.signal);
    const second = creations.run('a', making.steps, never);
    await turn();
    gone.abort();
    await expect(first).rejects.toMatchObject({ kind: 'cancelled' });
    expect(making.signals[0]?.aborted).toBe(false);
    making.end(0, 'id-1');
    expect(await second).toBe('id-1');
  });

  it('cancels the making when nobody waits any more; who comes then waits for its end and begins anew', async () => {
    const gone = new AbortController();
    const first = creations.run('a', making.steps, gone.signal);
    await turn();
    gone.abort();
    await expect(first).rejects.toMatchObject({ kind: 'cancelled' });
    expect(making.signals[0]?.aborted).toBe(true);
    const second = creations.run('a', making.steps, never);
    await turn();
    expect(making.events).toEqual(['make']);
    making.end(0, 'id-1');
    await turn();
    making.end(1, 'id-2');
    expect(await second).toBe('id-2');
    expect(making.events).toEqual(['make', 'make']);
  });

  it('logs when that fails, since nobody waits for it', async () => {
    making.heedsSignal = false;
    const gone = new AbortController();
    const undo = () => Promise.reject(new Error('it is held'));
    const first = creations.run('a', { ...making.steps, undo }, gone.signal);
    await turn();
    gone.abort();
    await expect(first).rejects.toMatchObject({ kind: 'cancelled' });
    making.end(0, 'id-1');
    await creations.settled();
    expect(warnings).toEqual([expect.stringMatching(/id-1.*it is held/)]);
  });

  it('takes away what was made in spite of all', async () => {
    making.heedsSignal = false;
    const gone = new AbortController();
    const first = creations.run('a', making.steps, gone.signal);
    await turn();
    gone.abort();
    await expect(first).rejects.toMatchObject({ kind: 'cancelled' });
    making.end(0, 'id-1');
    await creations.settled();
    expect(making.events).toEqual(['make', 'undo id-1']);
  });

  it('tells all of a failure, and forgets it', async () => {
    const both = Promise.allSettled([
      creations.run('a', making.steps, never),
      creations.run('a', making.steps, never),
    ]);
    await turn();
    making.fail(0, new PodwrightError('no-space', 'full'));
    expect(await both).toMatchObject([{ reason: { kind: 'no-space' } }, { reason: { kind: 'no-space' } }]);
    void creations.run('a', making.steps, never);
    await turn();
    expect(making.events).toEqual(['make', 'make']);
  });

  it('makes nothing for who has gone before', async () => {
    await expect(creations.run('a', making.steps, AbortSignal.abort())).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(making.events).toEqual([]);
  });
});
