import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import type { AttachSession, ExecSession, TerminalSize } from '@podwright/core';
import { afterEach, describe, expect, it } from 'vitest';
import { remoteExec } from './client/remote-exec.js';
import { Deferred } from './deferred.js';
import { serveAttachSession, serveExecSession } from './serve-session.js';
import { ALL_STREAMS, disposeServers, OUTPUT_ONLY, startServer, TERMINAL } from './streaming.spec-helper.js';

/** A command of a backend, made by hand. */
function session(tty = false) {
  const exit = new Deferred<number>();
  const sizes: TerminalSize[] = [];
  let killed = 0;
  const made = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    ...(!tty && { stderr: new PassThrough() }),
    exitCode: exit.promise,
    resize: async (size: TerminalSize) => {
      sizes.push(size);
    },
    kill: async () => {
      killed += 1;
      made.stdout.end();
      made.stderr?.end();
      exit.resolve(137);
    },
  } satisfies ExecSession;
  return { session: made, exit, sizes, killed: () => killed };
}

afterEach(disposeServers);

describe('a backend’s command and a client', () => {
  it('are connected in all directions', async () => {
    const server = await startServer();
    const { session: made, exit } = session();
    const url = server.exec({ ...ALL_STREAMS, run: (streams) => serveExecSession(made, streams) });
    const command = await remoteExec(url, { stdin: true });
    command.stdin?.end('input');
    expect(await text(made.stdin)).toBe('input');
    made.stdout.end('output');
    made.stderr?.end('error output');
    exit.resolve(5);
    const [out, err, code] = await Promise.all([
      text(command.stdout ?? new PassThrough()),
      text(command.stderr ?? new PassThrough()),
      command.exitCode,
    ]);
    expect([out, err, code]).toEqual(['output', 'error output', 5]);
  });

  it('the exit code waits for all output', async () => {
    const server = await startServer();
    const { session: made, exit } = session();
    exit.resolve(0);
    const url = server.exec({ ...OUTPUT_ONLY, run: (streams) => serveExecSession(made, streams) });
    const command = await remoteExec(url);
    const output = buffer(command.stdout ?? new PassThrough());
    command.stderr?.resume();
    made.stderr?.end();
    setTimeout(() => made.stdout.end(Buffer.alloc(2_000_000)), 20);
    expect(await command.exitCode).toBe(0);
    expect((await output).length).toBe(2_000_000);
  });

  it('the input that came after a size waits until the size is set', async () => {
    const server = await startServer();
    const { session: made, exit } = session(true);
    const order: string[] = [];
    const slow = {
      ...made,
      resize: async ({ columns }: TerminalSize) => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        order.push(`size ${columns}`);
      },
    };
    made.stdin.on('data', (typed: Buffer) => order.push(`input ${typed}`));
    const url = server.exec({ ...TERMINAL, run: (streams) => serveExecSession(slow, streams) });
    const command = await remoteExec(url, { stdin: true, tty: true });
    command.stdout?.resume();
    for (const columns of [101, 202]) {
      await command.resize({ columns, rows: 50 });
      command.stdin?.write(`${columns}`);
      await once(made.stdin, 'data');
      expect(order.splice(0).slice(-2)).toEqual([`size ${columns}`, `input ${columns}`]);
    }
    command.stdin?.end();
    await once(made.stdin, 'end');
    made.stdout.end();
    exit.resolve(0);
    expect(await command.exitCode).toBe(0);
  });

  it('without stdin asked for, the command reads its end at once', async () => {
    const server = await startServer();
    const { session: made, exit } = session();
    const url = server.exec({ ...OUTPUT_ONLY, run: (streams) => serveExecSession(made, streams) });
    const command = await remoteExec(url);
    expect(await text(made.stdin)).toBe('');
    command.stdout?.resume();
    command.stderr?.resume();
    made.stdout.end();
    made.stderr?.end();
    exit.resolve(0);
    expect(await command.exitCode).toBe(0);
  });

  it('a command that closes its stdin early does not hold up the client', async () => {
    const server = await startServer();
    const { session: made, exit } = session();
    made.stdin.destroy();
    const url = server.exec({ ...ALL_STREAMS, run: (streams) => serveExecSession(made, streams) });
    const command = await remoteExec(url, { stdin: true });
    command.stdout?.resume();
    command.stderr?.resume();
    const sent = new Promise<void>((resolve) => {
      command.stdin?.end(Buffer.alloc(4 * 1024 * 1024), () => resolve());
    });
    await sent;
    made.stdout.end();
    made.stderr?.end();
    exit.resolve(1);
    expect(await command.exitCode).toBe(1);
  });

  it('sizes are passed on', async () => {
    const server = await startServer();
    const { session: made, exit, sizes } = session(true);
    const url = server.exec({ ...TERMINAL, run: (streams) => serveExecSession(made, streams) });
    const command = await remoteExec(url, { stdin: true, tty: true });
    await command.resize({ columns: 90, rows: 30 });
    command.stdin?.end('x');
    await text(made.stdin);
    made.stdout.end();
    exit.resolve(0);
    await text(command.stdout ?? new PassThrough());
    expect(await command.exitCode).toBe(0);
    expect(sizes).toEqual([{ columns: 90, rows: 30 }]);
  });

  it('a client that goes kills the command', async () => {
    const server = await startServer();
    const { session: made, exit, killed } = session();
    const url = server.exec({ ...ALL_STREAMS, run: (streams) => serveExecSession(made, streams) });
    const command = await remoteExec(url, { stdin: true });
    await command.close();
    expect(await exit.promise).toBe(137);
    expect(killed()).toBe(1);
  });

  it('a command that fails to end well is told in words', async () => {
    const server = await startServer();
    const { session: made, exit } = session();
    const url = server.exec({ ...OUTPUT_ONLY, run: (streams) => serveExecSession(made, streams) });
    const command = await remoteExec(url);
    command.stdout?.resume();
    command.stderr?.resume();
    exit.reject(new Error('the container is gone'));
    await expect(command.exitCode).rejects.toMatchObject({
      kind: 'command-failed',
      message: expect.stringContaining('the container is gone'),
    });
  });
});

describe('a container and its attached client', () => {
  it('are connected until the container ends', async () => {
    const server = await startServer();
    const { session: made } = session();
    const ended = new Deferred<{ type: 'exited'; exitCode: number }>();
    const attached: AttachSession = { ...made, ended: ended.promise, detach: async () => undefined };
    const url = server.attach({ ...ALL_STREAMS, run: (streams) => serveAttachSession(attached, streams) });
    const client = await remoteExec(url, { stdin: true });
    client.stderr?.resume();
    client.stdin?.end('input');
    expect(await text(made.stdin)).toBe('input');
    made.stdout.end('output');
    made.stderr?.end();
    ended.resolve({ type: 'exited', exitCode: 9 });
    expect(await text(client.stdout ?? new PassThrough())).toBe('output');
    // The exit code of a container is in its status; an attachment has ended well.
    expect(await client.exitCode).toBe(0);
  });

  it('a client that goes is detached', async () => {
    const server = await startServer();
    const { session: made } = session();
    const ended = new Deferred<{ type: 'detached' }>();
    const detached = new Deferred<void>();
    const attached: AttachSession = {
      ...made,
      ended: ended.promise,
      detach: async () => {
        made.stdout.end();
        made.stderr?.end();
        ended.resolve({ type: 'detached' });
        detached.resolve();
      },
    };
    const url = server.attach({ ...ALL_STREAMS, run: (streams) => serveAttachSession(attached, streams) });
    const client = await remoteExec(url, { stdin: true });
    await client.close();
    await detached.promise;
  });
});
