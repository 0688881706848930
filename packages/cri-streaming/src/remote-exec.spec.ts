import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PodwrightError, type TerminalSize } from '@podwright/core';
import { afterEach, describe, expect, it } from 'vitest';
import { remoteExec } from './client/remote-exec.js';
import { Deferred } from './deferred.js';
import {
  ALL_STREAMS,
  disposeServers,
  OUTPUT_ONLY,
  pattern,
  startServer,
  TERMINAL,
} from './streaming.spec-helper.js';

afterEach(disposeServers);

describe('exec over SPDY, our client with our server', () => {
  it('gives stdout and stderr in full and the exit code after them', async () => {
    const server = await startServer();
    const url = server.exec({
      ...OUTPUT_ONLY,
      run: async ({ stdout, stderr }) => {
        stdout?.write('to stdout');
        stderr?.write('to stderr');
        return 3;
      },
    });
    const command = await remoteExec(url);
    const all = Promise.all([text(command.stdout as Readable), text(command.stderr as Readable)]);
    expect(await command.exitCode).toBe(3);
    expect(await all).toEqual(['to stdout', 'to stderr']);
  });

  it('gives the exit code also when nobody reads the output, which can be read afterwards', async () => {
    const server = await startServer();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdout }) => {
        stdout?.write(pattern(200_000));
        return 3;
      },
    });
    const command = await remoteExec(url, { stdin: true });
    expect(await command.exitCode).toBe(3);
    await sleep(20);
    expect((await buffer(command.stdout as Readable)).equals(pattern(200_000))).toBe(true);
    expect(await text(command.stderr as Readable)).toBe('');
  });

  it('passes the end of stdin on and lets the command answer afterwards', async () => {
    const server = await startServer();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin, stdout }) => {
        const input = await text(stdin as Readable);
        stdout?.write(`got ${input}`);
        return 0;
      },
    });
    const command = await remoteExec(url, { stdin: true });
    command.stderr?.resume();
    command.stdin?.end('all of it');
    expect(await text(command.stdout as Readable)).toBe('got all of it');
    expect(await command.exitCode).toBe(0);
  });

  it('carries 10 MB from stdin to stdout while the reader is slow, and holds little of it', async () => {
    const server = await startServer();
    const sent = pattern(10 * 1024 * 1024);
    let held = 0;
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin, stdout }) => {
        for await (const chunk of stdin as Readable) {
          held = Math.max(held, stdout?.writableLength ?? 0);
          if (!stdout?.write(chunk)) await once(stdout as NodeJS.EventEmitter, 'drain');
        }
        return 0;
      },
    });
    const command = await remoteExec(url, { stdin: true });
    command.stderr?.resume();
    const sending = pipeline([sent], command.stdin as NodeJS.WritableStream);
    const received: Buffer[] = [];
    let chunks = 0;
    for await (const chunk of command.stdout as Readable) {
      received.push(chunk);
      chunks += 1;
      if (chunks % 50 === 0) await sleep(1);
    }
    await sending;
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    expect(held).toBeLessThan(512 * 1024);
    expect(await command.exitCode).toBe(0);
  });

  it('holds the sender up while nobody reads', async () => {
    const server = await startServer();
    const released = new Deferred<void>();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ stdin }) => {
        await released.promise;
        return (await buffer(stdin as Readable)).length / 1024 / 1024;
      },
    });
    const command = await remoteExec(url, { stdin: true });
    command.stdout?.resume();
    command.stderr?.resume();
    const { stdin } = command;
    if (stdin === undefined) throw new Error('no stdin');
    let sent = 0;
    for (let count = 0; count < 64; count += 1) {
      stdin.write(Buffer.alloc(128 * 1024), () => {
        sent += 128 * 1024;
      });
    }
    stdin.end();
    await sleep(200);
    expect(sent).toBeLessThanOrEqual(256 * 1024);
    released.resolve();
    expect(await command.exitCode).toBe(8);
  });

  it('tells an error of the handler by its message', async () => {
    const server = await startServer();
    const url = server.exec({ ...OUTPUT_ONLY, run: () => Promise.reject(new Error('no such container')) });
    const command = await remoteExec(url);
    command.stdout?.resume();
    command.stderr?.resume();
    const failure = await command.exitCode.catch((error: unknown) => error);
    expect(PodwrightError.is(failure, 'command-failed')).toBe(true);
    expect(String(failure)).toContain('no such container');
  });

  it('gives each size of the terminal, the last one also to who comes late', async () => {
    const server = await startServer();
    const sizes: TerminalSize[] = [];
    const url = server.exec({
      ...TERMINAL,
      run: async ({ stdin, resize }) => {
        await once(stdin as Readable, 'data');
        resize.subscribe((size) => sizes.push(size));
        await once(stdin as Readable, 'data');
        return 0;
      },
    });
    const command = await remoteExec(url, { stdin: true, tty: true });
    command.stdout?.resume();
    expect(command.stderr).toBeUndefined();
    await command.resize({ columns: 80, rows: 24 });
    command.stdin?.write('1');
    await expect.poll(() => sizes, { timeout: 10_000 }).toHaveLength(1);
    await command.resize({ columns: 120, rows: 40 });
    command.stdin?.write('2');
    expect(await command.exitCode).toBe(0);
    expect(sizes).toEqual([
      { columns: 80, rows: 24 },
      { columns: 120, rows: 40 },
    ]);
  });

  it('fires the handler’s signal when the client disappears', async () => {
    const server = await startServer();
    const gone = new Deferred<unknown>();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ signal }) => {
        await once(signal, 'abort');
        gone.resolve(signal.reason);
        return 0;
      },
    });
    const command = await remoteExec(url, { stdin: true });
    await command.close();
    expect(PodwrightError.is(await gone.promise, 'cancelled')).toBe(true);
    const failure = await command.exitCode.catch((error: unknown) => error);
    expect(PodwrightError.is(failure, 'unavailable')).toBe(true);
  });

  it('is cancelled by the caller’s signal', async () => {
    const server = await startServer();
    const controller = new AbortController();
    const url = server.exec({
      ...ALL_STREAMS,
      run: async ({ signal }) => {
        await once(signal, 'abort');
        return 0;
      },
    });
    const command = await remoteExec(url, { stdin: true, signal: controller.signal });
    controller.abort();
    const failure = await command.exitCode.catch((error: unknown) => error);
    expect(PodwrightError.is(failure, 'cancelled')).toBe(true);
  });

  it('drops its clients when the server is disposed of', async () => {
    const server = await startServer();
    const url = server.exec({
      ...OUTPUT_ONLY,
      run: async ({ signal }) => {
        await once(signal, 'abort');
        return 0;
      },
    });
    const command = await remoteExec(url);
    await server[Symbol.asyncDispose]();
    const failure = await command.exitCode.catch((error: unknown) => error);
    expect(PodwrightError.is(failure, 'unavailable')).toBe(true);
    await expect(remoteExec(url)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
