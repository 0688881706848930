import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { PodwrightError, silentLogger } from '@podwright/core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LocalHostExecutor } from './local-host-executor.js';
import { HelperPortForwarder } from './port-forwarder.js';

// No right to enter a namespace is needed here: an nsenter of the test stays where it is.
const directory = mkdtempSync(join(tmpdir(), 'podwright-forward-'));
const netns = { netnsPath: join(directory, 'net') };
const path = process.env['PATH'];
let forwarder = new HelperPortForwarder(new LocalHostExecutor(silentLogger, {}));
const servers: Server[] = [];

function nsenterThat(script: string): void {
  const file = join(directory, 'nsenter');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

beforeAll(() => {
  writeFileSync(netns.netnsPath, '');
  process.env['PATH'] = `${directory}:${path}`;
});

afterEach(async () => {
  await forwarder[Symbol.asyncDispose]();
  forwarder = new HelperPortForwarder(new LocalHostExecutor(silentLogger, {}));
  for (const server of servers.splice(0)) server.close();
});

afterAll(() => {
  process.env['PATH'] = path;
  rmSync(directory, { recursive: true });
});

/** A server for each connection; its port. */
async function serve(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
  nsenterThat('while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error = await promise.catch((reason: unknown) => reason);
  if (!PodwrightError.is(error)) throw new Error(`no PodwrightError: ${String(error)}`);
  return error;
}

describe('connecting', () => {
  test('a server on ::1 only is found', async () => {
    const port = await serve((socket) => socket.end('over IPv6'), '::1');
    expect(await text(await forwarder.connect(netns, port))).toBe('over IPv6');
  });

  test('nothing listens', async () => {
    await serve(() => undefined);
    const error = await errorOf(forwarder.connect(netns, 9));
    expect(error.kind).toBe('unreachable');
    expect(error.message).toMatch(/port 9 .*127\.0\.0\.1.*ECONNREFUSED.*::1/);
  });

  test.each([
    ['nsenter: cannot open /run/pod/net: No such file or directory', 'failed-precondition'],
    ["nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted", 'permission-denied'],
    ['Segmentation fault', 'command-failed'],
  ] as const)('%s is %s', async (said, kind) => {
    nsenterThat(`echo "${said}" >&2; exit 1`);
    const error = await errorOf(forwarder.connect(netns, 80));
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(said);
  });

  test('a missing nsenter is named', async () => {
    rmSync(join(directory, 'nsenter'), { force: true });
    process.env['PATH'] = directory;
    try {
      const error = await errorOf(forwarder.connect(netns, 80));
      expect([error.kind, error.details['program']]).toEqual(['missing-requirement', 'nsenter']);
    } finally {
      process.env['PATH'] = `${directory}:${path}`;
    }
  });

  test('a namespace that is gone is a failed precondition', async () => {
    const error = await errorOf(forwarder.connect({ netnsPath: join(directory, 'none') }, 80));
    expect(error.kind).toBe('failed-precondition');
  });

  test.each([0, 65_536, 1.5, -1])('%d is no port', async (port) => {
    expect((await errorOf(forwarder.connect(netns, port))).kind).toBe('invalid-argument');
  });

  test('who cancels hears so at once, and the connection that comes later is closed', async () => {
    let closed: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const port = await serve((socket) => socket.resume().once('end', closed));
    const leaving = new AbortController();
    const connecting = forwarder.connect(netns, port, { signal: leaving.signal });
    setImmediate(() => leaving.abort());
    expect((await errorOf(connecting)).kind).toBe('cancelled');
    await gone;
  });
});

describe('a connection', () => {
  test('carries what the server says first, and ends in each direction by itself', async () => {
    let heard: (text: string) => void = () => undefined;
    const late = new Promise<string>((resolve) => {
      heard = resolve;
    });
    const port = await serve((socket) => {
      socket.end('hello');
      void text(socket).then(heard);
    });
    const stream = await forwarder.connect(netns, port);
    let received = '';
    stream.on('data', (chunk) => {
      received += chunk;
    });
    await new Promise((resolve) => stream.once('end', resolve));
    expect(received).toBe('hello');
    expect(stream.destroyed).toBe(false);
    stream.end('late');
    expect(await late).toBe('late');
  });

  test('that is reset is an error and no end', async () => {
    // A reset in the same moment as data is an end to libuv, whoever made the connection.
    const port = await serve((socket) => {
      socket.write('some');
      socket.once('data', () => socket.resetAndDestroy());
    });
    const stream = await forwarder.connect(netns, port);
    stream.once('readable', () => stream.write('now'));
    const error = await errorOf(text(stream));
    expect([error.kind, error.message]).toEqual(['unreachable', expect.stringContaining('reset')]);
  });

  test('goes on without the helper', async () => {
    const port = await serve((socket) => socket.pipe(socket));
    const stream = await forwarder.connect(netns, port);
    await forwarder[Symbol.asyncDispose]();
    stream.end('still');
    expect(await text(stream)).toBe('still');
  });

  test('two hundred at once are one helper, each with its own bytes', async () => {
    const port = await serve((socket) => socket.pipe(socket));
    nsenterThat(`echo x >>${directory}/starts; while [ "$1" != -- ]; do shift; done; shift; exec "$@"`);
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const stream = await forwarder.connect(netns, port);
        const sent = Buffer.alloc(20_000 + index, index);
        stream.end(sent);
        return (await buffer(stream)).equals(sent);
      }),
    );
    expect(answers.every(Boolean)).toBe(true);
    expect(readFileSync(join(directory, 'starts'), 'utf8')).toBe('x\n');
  });
});
