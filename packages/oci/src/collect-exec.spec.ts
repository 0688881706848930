import { PassThrough } from 'node:stream';
import { type ExecSession, type Logger, silentLogger } from '@podwright/core';
import { describe, expect, it, vi } from 'vitest';
import { collectExec } from './collect-exec.js';
import { OutputRelay } from './output-relay.js';

function fakeSession() {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let end: (code: number | Error) => void = () => undefined;
  const exitCode = new Promise<number>((resolve, reject) => {
    end = (code) => (typeof code === 'number' ? resolve(code) : reject(code));
  });
  exitCode.catch(() => undefined);
  let kills = 0;
  const session: ExecSession = {
    stdout,
    stderr,
    exitCode,
    resize: () => Promise.resolve(),
    kill: () => {
      kills++;
      end(137);
      return Promise.resolve();
    },
  };
  return { session, stdout, stderr, end, kills: () => kills };
}

describe('collectExec', () => {
  it('gives output and exit code', async () => {
    const { session, stdout, stderr, end } = fakeSession();
    const result = collectExec(session, {}, silentLogger);
    stdout.write('a');
    stderr.write('e');
    stdout.write('b');
    setImmediate(() => end(3));
    expect(await result).toEqual({ stdout: Buffer.from('ab'), stderr: Buffer.from('e'), exitCode: 3 });
  });

  it('cuts at the limit and says so', async () => {
    const { session, stdout, end } = fakeSession();
    const said: unknown[] = [];
    const logger: Logger = { ...silentLogger, warn: (message, fields) => said.push([message, fields]) };
    const result = collectExec(session, { outputLimitBytes: 5 }, logger);
    stdout.write('abc');
    stdout.write('defg');
    setImmediate(() => end(0));
    expect((await result).stdout.toString()).toBe('abcde');
    expect(said).toEqual([[expect.stringContaining('stdout'), { limitBytes: 5, droppedBytes: 2 }]]);
  });

  it('kills at the time-out and when cancelled', async () => {
    const late = fakeSession();
    await expect(collectExec(late.session, { timeoutMs: 1 }, silentLogger)).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('1 ms'),
    });
    expect(late.kills()).toBe(1);
    const cancelled = fakeSession();
    const signal = AbortSignal.abort();
    await expect(collectExec(cancelled.session, { signal }, silentLogger)).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(cancelled.kills()).toBe(1);
  });

  it('gives the time in full that is longer than a timer of Node', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { session, kills } = fakeSession();
      const timeoutMs = 2 ** 32;
      const result = expect(collectExec(session, { timeoutMs }, silentLogger)).rejects.toMatchObject({
        kind: 'timeout',
      });
      await vi.advanceTimersByTimeAsync(timeoutMs - 1);
      expect(kills()).toBe(0);
      await vi.advanceTimersByTimeAsync(1);
      await result;
      expect(kills()).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('fails with the time-out and when cancelled though the command cannot be ended', async () => {
    const session = { ...fakeSession().session, kill: () => Promise.reject(new Error('20 hangs.')) };
    await expect(collectExec(session, { timeoutMs: 1 }, silentLogger)).rejects.toMatchObject({
      kind: 'timeout',
      message: 'The command did not end within 1 ms, and could not be ended: 20 hangs.',
      cause: new Error('20 hangs.'),
    });
    const signal = AbortSignal.abort();
    await expect(collectExec(session, { signal }, silentLogger)).rejects.toMatchObject({
      kind: 'cancelled',
      message: expect.stringContaining('could not be ended'),
    });
  });

  it('fails as the session does', async () => {
    const { session, end } = fakeSession();
    end(new Error('exec format error'));
    await expect(collectExec(session, {}, silentLogger)).rejects.toThrow('exec format error');
  });
});

describe('OutputRelay', () => {
  it('hands on with back-pressure, and ends with its source', async () => {
    const source = new PassThrough();
    const relay = new OutputRelay(source);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let written = 0;
    while (source.write(chunk) && written < 100) written++;
    await new Promise(setImmediate);
    expect(relay.output.readableLength).toBeLessThan(3 * chunk.length);
    let got = 0;
    relay.output.on('data', (data: Buffer) => {
      got += data.length;
    });
    source.end(chunk);
    await relay.done;
    expect(got).toBe((written + 2) * chunk.length);
  });

  it('lets go of a source that stays open after the command’s end', async () => {
    const source = new PassThrough();
    const relay = new OutputRelay(source);
    source.write('last words');
    relay.ended();
    await relay.done;
    expect(relay.output.read()?.toString()).toBe('last words');
    expect(source.destroyed).toBe(true);
  });

  it('keeps on draining when nobody reads any more', async () => {
    const source = new PassThrough();
    const relay = new OutputRelay(source);
    relay.output.destroy();
    await relay.done;
    for (let round = 0; round < 50; round++) source.write(Buffer.alloc(64 * 1024));
    await new Promise((resolve) => source.end(resolve));
    expect(source.writableLength).toBe(0);
  });
});
