import { type PodRecord, PodwrightError, parsePod, throwIfAborted } from '@podwright/core';
import { describe, expect, it } from 'vitest';
import { PodDeadlines } from './pod-deadlines.js';

const manifest = parsePod({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: { activeDeadlineSeconds: 5, containers: [{ name: 'web', image: 'i' }] },
});
const record = { namespace: 'default', name: 'web', uid: 'u', createdAtMs: 0, manifest } as PodRecord;

/** The deadline is over as soon as somebody waits for it, unless `isEarly`. */
function deadlines(isEarly: boolean): PodDeadlines {
  const sleep = (_ms: number, signal?: AbortSignal) =>
    isEarly
      ? new Promise<void>((_done, fail) => signal?.addEventListener('abort', () => fail(signal.reason)))
      : Promise.resolve();
  return Reflect.construct(PodDeadlines, [{}, {}, { nowMs: () => 0, sleep }]);
}

/** Ends when it is told to, as the parts of a runtime do: with an error of its own. */
async function brokenOff(signal: AbortSignal): Promise<never> {
  await new Promise<void>((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done());
  });
  throw new PodwrightError('cancelled', 'Making a sandbox was cancelled by its caller.');
}

describe('what is done within a deadline', () => {
  it.each([
    ['is broken off by it with kind timeout, whatever was under way', brokenOff, 'timeout'],
    [
      'keeps an error of its own',
      async () => Promise.reject(new PodwrightError('image-not-found', 'none')),
      'image-not-found',
    ],
  ])('%s', async (_what, action, kind) => {
    const doing = deadlines(false).within(record, new AbortController().signal, action);
    await expect(doing).rejects.toMatchObject({ kind });
  });

  it('that its caller breaks off is cancelled', async () => {
    const caller = new AbortController();
    const doing = deadlines(true).within(record, caller.signal, async (signal) => {
      caller.abort();
      throwIfAborted(signal);
    });
    await expect(doing).rejects.toMatchObject({ kind: 'cancelled' });
  });
});
