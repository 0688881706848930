import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OutputRelay } from './output-relay.js';

const CHUNK = Buffer.alloc(64 * 1024, 'x');
/** Longer than a silence that ends an output. */
const LONG_MS = 250;

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the output of a command that has ended', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  /** A pipe as full as it gets: its other end writes on when there is room. */
  function filled(chunks: number): PassThrough {
    const source = new PassThrough();
    for (let written = 0; written < chunks; written++) source.write(CHUNK);
    return source;
  }

  it.each([true, false])('is whole for a slow reader; the pipe is closed by its end: %s', async (closes) => {
    const source = filled(12);
    const relay = new OutputRelay(source);
    relay.ended();
    if (closes) source.end();
    let got = 0;
    for await (const chunk of relay.output) {
      got += (chunk as Buffer).length;
      await turn();
      vi.advanceTimersByTime(LONG_MS);
      await turn();
      if (got === 12 * CHUNK.length) vi.advanceTimersByTime(LONG_MS);
    }
    expect(got).toBe(12 * CHUNK.length);
  });

  it('is whole when it is looked at later than the time that is waited for it', async () => {
    const source = new PassThrough();
    const relay = new OutputRelay(source);
    relay.ended();
    vi.advanceTimersByTime(LONG_MS);
    source.write('late');
    await turn();
    expect(source.destroyed).toBe(false);
    vi.advanceTimersByTime(LONG_MS);
    await relay.done;
    expect(String(relay.output.read())).toBe('late');
  });

  it('lets go of a held-open pipe whose reader has gone', async () => {
    const source = filled(12);
    const relay = new OutputRelay(source);
    await turn();
    relay.ended();
    relay.output.destroy();
    await relay.done;
    await turn();
    vi.advanceTimersByTime(LONG_MS);
    await turn();
    expect(source.destroyed).toBe(true);
  });
});
