import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliBed, IMAGE, type StartedCli } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
  await bed.run('run', '--name', 'web', '--restart', 'Never', IMAGE, 'sh', '-c', 'sleep 1000');
});

afterEach(() => bed[Symbol.asyncDispose]());

/** Starts it, and gives the port here. */
async function forward(...args: readonly string[]): Promise<{ cli: StartedCli; port: number }> {
  const cli = bed.start(['port-forward', 'web', ...args]);
  const [line] = await once(cli.stdout, 'data');
  return { cli, port: Number(/:(\d+) to port/.exec(String(line))?.[1]) };
}

describe('port-forward', () => {
  it('connects many connections at once, each half-closed by itself, and ends when interrupted', async () => {
    // Gives back what it got once the client has sent all.
    const answer = async (socket: Socket) => {
      // Reading to the end would otherwise end the other direction too.
      socket.end(`got ${await text(socket.iterator({ destroyOnReturn: false }))}`);
    };
    const echo = createServer({ allowHalfOpen: true }, (socket) => void answer(socket));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const address = echo.address();
    const echoPort = typeof address === 'object' && address !== null ? address.port : 0;
    const seen: number[] = [];
    bed.runtime.portForward = async (_pod, port) => {
      seen.push(port);
      return connect({ port: echoPort, host: '127.0.0.1', allowHalfOpen: true });
    };
    const { cli, port } = await forward(':80');
    const answers = await Promise.all(
      ['a', 'b', 'c'].map(async (word) => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        socket.end(word);
        return text(socket);
      }),
    );
    expect(answers).toEqual(['got a', 'got b', 'got c']);
    expect(seen).toEqual([80, 80, 80]);
    cli.interrupt();
    expect(await cli.ended).toMatchObject({ exitCode: 0, stderr: '' });
    await expect(once(connect({ port, host: '127.0.0.1' }), 'connect')).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    echo.close();
  });

  it('tells of a connection that fails, and goes on', async () => {
    bed.runtime.portForward = async () => {
      throw new PodwrightError('unavailable', 'nobody listens there');
    };
    const { cli, port } = await forward(':80');
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    await once(socket, 'close');
    await cli.said('nobody listens there');
    cli.interrupt();
    expect((await cli.ended).exitCode).toBe(0);
  });

  it.each([
    [['web', 'x'], 2, 'port'],
    [['web'], 2, 'missing required argument'],
    [['gone', ':80'], 1, 'default/gone'],
    [['web', ':80', '--address', '203.0.113.1'], 2, 'cannot listen'],
  ])('%j ends with %i', async (args, code, words) => {
    const { exitCode, stderr } = await bed.run('port-forward', ...args);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(words)]);
  });

  it('says so when the port here is taken, and when the pod does not run', async () => {
    const { cli, port } = await forward(':80');
    expect(await bed.run('port-forward', 'web', `${port}:80`)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('taken'),
    });
    cli.interrupt();
    await cli.ended;
    await bed.run('kill', '--grace', '0', 'web');
    expect(await bed.run('port-forward', 'web', ':80')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('does not run'),
    });
  });
});
