import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { PodwrightError, silentLogger } from '@podwright/core';
import { describe, expect, test } from 'vitest';
import type { HostCommand, HostExecutor, HostProcess, HostResult } from './host-executor.js';
import { LocalHostExecutor } from './local-host-executor.js';
import { SocatPortForwarder } from './port-forwarder.js';

/** A socat that a test plays. */
class FakeSocat implements HostProcess {
  readonly pid = 4242;
  readonly stdin = new PassThrough({ highWaterMark: 1000 });
  readonly stdout = new PassThrough({ highWaterMark: 1000 });
  readonly stderr = new PassThrough();
  readonly exited: Promise<{ readonly exitCode: number; readonly signal?: NodeJS.Signals }>;
  readonly killed: string[] = [];
  #end: (exit: { exitCode: number }) => void = () => undefined;

  constructor() {
    this.exited = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  say(severity: string, line: string): void {
    this.stderr.write(`2026/11/22 01:29:22 socat[4242] ${severity} ${line}\n`);
  }

  connect(): void {
    this.say('N', 'opening connection to AF=2 127.0.0.1:80');
    this.say('N', 'starting data transfer loop with FDs [0,1] and [5,5]');
  }

  /** The other side half-closes. */
  endOutput(): void {
    this.say('N', 'socket 2 (fd 5) is at EOF');
    this.stdout.end();
  }

  exit(exitCode: number): void {
    this.stdout.end();
    this.stderr.end();
    this.#end({ exitCode });
  }

  refuse(words = 'connect(5, AF=2 127.0.0.1:80, 16): Connection refused'): void {
    this.say('N', 'opening connection');
    this.say('E', words);
    this.say('N', 'exit(1)');
    this.exit(1);
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.killed.push(signal);
    this.exit(143);
  }
}

class FakeExecutor implements HostExecutor {
  readonly commands: HostCommand[] = [];
  constructor(
    private readonly plays: ((socat: FakeSocat) => void)[],
    private readonly socat: string | undefined = '/usr/bin/socat',
  ) {}
  async run(): Promise<HostResult> {
    throw new Error('nothing is run to its end');
  }
  async start(command: HostCommand): Promise<HostProcess> {
    const play = this.plays[this.commands.length];
    if (play === undefined) throw new Error('no more socat expected');
    this.commands.push(command);
    const socat = new FakeSocat();
    setImmediate(() => play(socat));
    return socat;
  }
  async which(): Promise<string | undefined> {
    return this.socat;
  }
  hostPath(path: string): string {
    return path;
  }
}

const netns = { netnsPath: '/run/pod/net' };

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error = await promise.catch((reason: unknown) => reason);
  if (!PodwrightError.is(error)) throw new Error(`no PodwrightError: ${String(error)}`);
  return error;
}

async function connected() {
  let fake: FakeSocat | undefined;
  const executor = new FakeExecutor([
    (socat) => {
      fake = socat;
      socat.connect();
    },
  ]);
  const stream = await new SocatPortForwarder(executor).connect(netns, 80);
  return { stream, executor, socat: fake ?? expect.fail('no socat') };
}

describe('connecting', () => {
  test('runs socat in the network namespace, without a shell', async () => {
    const { executor, stream } = await connected();
    expect(executor.commands.map(({ command, args }) => [command, ...args])).toEqual([
      [
        ...['nsenter', '--net=/run/pod/net', '--', '/usr/bin/socat', '-d', '-d', '-t', '100000000'],
        ...['STDIO,shut-close', 'TCP4:127.0.0.1:80,connect-timeout=10'],
      ],
    ]);
    stream.destroy();
  });

  test('the host’s own namespace is that of its first process', async () => {
    const executor = new FakeExecutor([(socat) => socat.connect()]);
    (await new SocatPortForwarder(executor).connect({ host: true }, 80)).destroy();
    expect(executor.commands[0]?.args[0]).toBe('--net=/proc/1/ns/net');
  });

  test('::1 is tried when 127.0.0.1 refuses', async () => {
    const executor = new FakeExecutor([(socat) => socat.refuse(), (socat) => socat.connect()]);
    (await new SocatPortForwarder(executor).connect(netns, 80)).destroy();
    expect(executor.commands[1]?.args.at(-1)).toBe('TCP6:[::1]:80,connect-timeout=10');
  });

  test.each([
    [
      'nothing listens',
      [
        (socat: FakeSocat) => socat.refuse(),
        (socat: FakeSocat) => socat.refuse('connect(5, AF=10 [::1]:80, 28): Cannot assign requested address'),
      ],
      'unreachable',
      'Nothing listens on port 80',
    ],
    [
      'the loopback interface is down',
      [(socat: FakeSocat) => socat.refuse('connect(): Network is unreachable')],
      'unreachable',
      'Network is unreachable',
    ],
    [
      'the namespace is gone',
      [
        (socat: FakeSocat) => {
          socat.stderr.write('nsenter: cannot open /run/pod/net: No such file or directory\n');
          socat.exit(1);
        },
      ],
      'failed-precondition',
      '/run/pod/net cannot be entered',
    ],
    [
      'the right is missing',
      [
        (socat: FakeSocat) => {
          socat.stderr.write("nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted\n");
          socat.exit(1);
        },
      ],
      'permission-denied',
      'cannot be entered',
    ],
  ] as const)('%s', async (_name, plays, kind, message) => {
    const error = await errorOf(new SocatPortForwarder(new FakeExecutor([...plays])).connect(netns, 80));
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(message);
  });

  test.each([0, 65_536, 1.5, -1])('%d is no port', async (port) => {
    expect((await errorOf(new SocatPortForwarder(new FakeExecutor([])).connect(netns, port))).kind).toBe(
      'invalid-argument',
    );
  });

  test('a missing socat is named', async () => {
    const error = await errorOf(
      new SocatPortForwarder(new LocalHostExecutor(silentLogger, { binaries: { socat: '/none' } })).connect(
        netns,
        80,
      ),
    );
    expect(error.kind).toBe('missing-requirement');
    expect(error.message).toContain('socat');
  });

  test('cancelling ends socat', async () => {
    const controller = new AbortController();
    let fake: FakeSocat | undefined;
    const executor = new FakeExecutor([
      (socat) => {
        fake = socat;
        controller.abort();
      },
    ]);
    const connecting = new SocatPortForwarder(executor).connect(netns, 80, { signal: controller.signal });
    expect((await errorOf(connecting)).kind).toBe('cancelled');
    expect(fake?.killed).toEqual(['SIGTERM']);
  });
});

describe('a connection', () => {
  test('carries data both ways; each side can end first', async () => {
    const { stream, socat } = await connected();
    stream.end('question');
    expect(await text(socat.stdin)).toBe('question');
    socat.stdout.write('answer');
    socat.endOutput();
    expect(await text(stream)).toBe('answer');
    expect(socat.killed).toEqual([]);

    const other = await connected();
    other.socat.stdout.write('hello');
    other.socat.endOutput();
    // Not by iterating, which destroys a stream at its end.
    let received = '';
    other.stream.on('data', (chunk) => {
      received += chunk;
    });
    await new Promise((resolve) => other.stream.once('end', resolve));
    expect(received).toBe('hello');
    expect(other.stream.destroyed).toBe(false);
    other.stream.end('late');
    expect(await text(other.socat.stdin)).toBe('late');
  });

  test('a side that does not read stops the other', async () => {
    const { stream, socat } = await connected();
    let taken = 0;
    while (stream.write(Buffer.alloc(1000))) taken++;
    for (let index = 0; index < 20; index++) await turn();
    expect(socat.stdin.writableNeedDrain).toBe(true);
    expect(taken).toBeLessThan(100);
    let offered = 0;
    while (socat.stdout.write(Buffer.alloc(1000)) && offered < 1000) {
      offered++;
      await turn();
    }
    expect(offered).toBeLessThan(100);
    stream.destroy();
  });

  test('destroying it ends socat', async () => {
    const { stream, socat } = await connected();
    stream.destroy();
    expect(socat.killed).toEqual(['SIGKILL']);
  });

  test('a connection that is cut is an error and no end, after what came before', async () => {
    const { stream, socat } = await connected();
    let received = '';
    stream.on('data', (chunk) => {
      received += chunk;
    });
    socat.stdout.write('some');
    socat.say('W', 'read(5, 0x55d, 8192): Connection reset by peer');
    socat.say('N', 'socket 2 to socket 1 is in error');
    socat.say('N', 'socket 2 (fd 5) is at EOF');
    const error = await new Promise((resolve) => stream.once('error', resolve));
    expect(PodwrightError.is(error, 'unreachable')).toBe(true);
    expect(String(error)).toContain('Connection reset by peer');
    expect(received).toBe('some');
    expect(socat.killed).toContain('SIGKILL');
  });

  test('a socat that dies is an error', async () => {
    const { stream, socat } = await connected();
    const read = errorOf(text(stream));
    socat.exit(137);
    expect((await read).message).toContain('socat ended with exit code 137');
  });
});
