// exec, attach and port-forward by the URLs that a runtime gives: `kubectl exec -it`, `attach` and `port-forward`.
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { cri } from '@podwright/cri-api';
import { connectPortForward, type RemoteCommand, remoteExec } from '@podwright/cri-streaming';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CallInit, CriBed, type CriPod, eventually, expectRefusal } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';

type ExecInit = Omit<CallInit<'exec'>, 'containerId'>;

const STREAMS = { stdout: true, stderr: true };
const TERMINAL = { stdin: true, stdout: true, tty: true };

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start();
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

async function exec(containerId: string, request: ExecInit): Promise<RemoteCommand> {
  const { url } = await bed.runtime.exec({ containerId, ...request });
  const { stdin = false, stdout = false, stderr = false, tty = false } = request;
  return await remoteExec(url, { stdin, stdout, stderr, tty });
}

async function attach(containerId: string, request: Omit<ExecInit, 'cmd'>): Promise<RemoteCommand> {
  const { url } = await bed.runtime.attach({ containerId, ...request });
  const { stdin = false, stdout = false, stderr = false, tty = false } = request;
  return await remoteExec(url, { stdin, stdout, stderr, tty });
}

/** All that a stream gives, when it has ended. */
const all = (stream: Readable | undefined) => (stream ? text(stream) : Promise.resolve(''));

/** What a stream has given so far, to be looked at again and again. */
function collected(stream: Readable | undefined): () => string {
  let content = '';
  stream?.on('data', (chunk: Buffer) => {
    content += chunk.toString();
  });
  return () => content;
}

const shows = (read: () => string, part: string) => eventually(read, (content) => content.includes(part));

describe('a command by its URL', () => {
  it('gives output, errors and exit code apart', async () => {
    const id = await bed.start(await bed.runPod());
    const cmd = ['sh', '-c', 'echo -n hello; echo -n oh >&2; exit 5'];
    const command = await exec(id, { cmd, ...STREAMS });
    expect(await Promise.all([all(command.stdout), all(command.stderr)])).toEqual(['hello', 'oh']);
    expect(await command.exitCode).toBe(5);
  });

  it('has a terminal, with its size, when it asks for one', async () => {
    const id = await bed.start(await bed.runPod());
    const command = await exec(id, { cmd: ['sh'], ...TERMINAL });
    const seen = collected(command.stdout);
    await command.resize({ columns: 123, rows: 45 });
    command.stdin?.write('tty; until [ "$(stty size)" = "45 123" ]; do sleep 0.1; done; echo rea"dy"\n');
    await shows(seen, 'ready');
    expect(seen()).toMatch(/\/dev\/pts\/\d+\r\n/);
    command.stdin?.write('exit 4\n');
    expect(await command.exitCode).toBe(4);
  });

  it('ends a short command with a terminal whose input stays open', async () => {
    const id = await bed.start(await bed.runPod());
    const command = await exec(id, { cmd: ['echo', '-n', 'hello'], ...TERMINAL });
    expect(await all(command.stdout)).toContain('hello');
    expect(await command.exitCode).toBe(0);
  });

  it('passes its input on, and the end of it', async () => {
    const id = await bed.start(await bed.runPod());
    const command = await exec(id, { cmd: ['sha256sum'], stdin: true, ...STREAMS });
    const [output] = [all(command.stdout), all(command.stderr)];
    for (let part = 0; part < 32; part += 1) {
      const ready = command.stdin?.write(Buffer.alloc(64 * 1024));
      if (ready === false && command.stdin) await once(command.stdin, 'drain');
    }
    command.stdin?.end();
    // That of 2 MiB of zeros.
    expect(await output).toBe('5647f05ec18958947d32874eeb788fa396a05d0bab7c1b71f112ceb7e9b31eee  -\n');
    expect(await command.exitCode).toBe(0);
  });

  it('gives a large output whole', async () => {
    const id = await bed.start(await bed.runPod());
    const command = await exec(id, { cmd: ['head', '-c', '5000000', '/dev/zero'], stdout: true });
    let length = 0;
    for await (const chunk of command.stdout ?? []) if (Buffer.isBuffer(chunk)) length += chunk.length;
    expect(length).toBe(5_000_000);
    expect(await command.exitCode).toBe(0);
  });

  it('can be used once, and not be guessed', async () => {
    const containerId = await bed.start(await bed.runPod());
    const { url } = await bed.runtime.exec({ containerId, cmd: ['true'], ...STREAMS });
    expect(new URL(url).hostname).toBe('127.0.0.1');
    const command = await remoteExec(url);
    await Promise.all([all(command.stdout), all(command.stderr), command.exitCode]);
    await expect(remoteExec(url)).rejects.toThrow();
    await expect(remoteExec(url.replace(/.{8}$/, 'aaaaaaaa'))).rejects.toThrow();
  });

  it('is refused where it makes no sense', async () => {
    const pod = await bed.runPod();
    const created = await bed.create(pod);
    const request = { cmd: ['true'], ...STREAMS };
    await expectRefusal(bed.runtime.exec({ containerId: 'none', ...request }));
    await expectRefusal(bed.runtime.exec({ containerId: created, ...request }));
    await expectRefusal(bed.runtime.attach({ containerId: created, ...STREAMS }));
    await expectRefusal(bed.runtime.portForward({ podSandboxId: 'none' }));
  });

  itBeyondContainerd16('is refused with a terminal and errors apart, and without any stream', async () => {
    const containerId = await bed.start(await bed.runPod());
    const cmd = ['true'];
    await expectRefusal(bed.runtime.exec({ containerId, cmd, tty: true, stdout: true, stderr: true }));
    await expectRefusal(bed.runtime.exec({ containerId, cmd }));
  });
});

describe('an attachment', () => {
  it('writes to the shell that is the container and reads from it, and its end ends it', async () => {
    const request = { stdin: true, ...STREAMS };
    const id = await bed.start(await bed.runPod(), { command: ['/bin/sh'], stdin: true, stdinOnce: true });
    const session = await attach(id, request);
    const [seen, complaints] = [collected(session.stdout), collected(session.stderr)];
    session.stdin?.write('echo -n hello\n');
    await shows(seen, 'hello');
    session.stdin?.end();
    await session.exitCode;
    expect([seen(), complaints()]).toEqual(['hello', '']);
    expect(await bed.ended(id)).toMatchObject({ exitCode: 0 });
  });

  it('reads along, and leaves the container running when it goes', async () => {
    const command = ['sh', '-c', 'while :; do echo tick; echo tock >&2; sleep 0.1; done'];
    const id = await bed.start(await bed.runPod(), { command });
    const [one, two] = [await attach(id, STREAMS), await attach(id, STREAMS)];
    for (const session of [one, two]) {
      await shows(collected(session.stdout), 'tick');
      await shows(collected(session.stderr), 'tock');
      await session.close();
    }
    expect((await bed.status(id)).state).toBe(cri.ContainerState.CONTAINER_RUNNING);
  });

  it('has the terminal of the container', async () => {
    const id = await bed.start(await bed.runPod(), { command: ['/bin/sh'], stdin: true, tty: true });
    const session = await attach(id, TERMINAL);
    const seen = collected(session.stdout);
    await session.resize({ columns: 101, rows: 33 });
    session.stdin?.write('until [ "$(stty size)" = "33 101" ]; do sleep 0.1; done; echo rea"dy"\n');
    await shows(seen, 'ready');
    await session.close();
    expect((await bed.status(id)).state).toBe(cri.ContainerState.CONTAINER_RUNNING);
  });
});

describe('a forwarded port', () => {
  const serve = (port: number) => [
    'sh',
    '-c',
    `mkdir /www; echo page > /www/index.html; exec httpd -f -p ${port} -h /www`,
  ];

  async function get(pod: CriPod, port: number): Promise<string> {
    const { url } = await bed.runtime.portForward({ podSandboxId: pod.id, port: [port] });
    const forward = await connectPortForward(url);
    try {
      return await request(await forward.open(port));
    } finally {
      await forward.close();
    }
  }

  async function request(socket: Duplex): Promise<string> {
    socket.write('GET / HTTP/1.0\r\n\r\n');
    return await text(socket);
  }

  it.each([
    ['of a pod', cri.NamespaceMode.POD, 80],
    ['of a pod in the network of the host', cri.NamespaceMode.NODE, 12_003],
  ])('is one %s', async (_, network, port) => {
    const pod = await bed.runPodWith({ network });
    await bed.startSecured(pod, { namespaceOptions: { network } }, { command: serve(port) });
    const answer = await eventually(
      () => get(pod, port).catch(String),
      (content) => content.includes('200 OK'),
    );
    expect(answer).toMatch(/^HTTP\/1\.[01] 200 OK.*\r\n\r\npage\n$/s);
  });

  itBeyondContainerd16('carries many connections at once, each both ways and to its end', async () => {
    const pod = await bed.runPod();
    await bed.start(pod, { command: ['nc', '-ll', '-p', '7000', '-e', 'sh', '-c', 'cat; echo end'] });
    const { url } = await bed.runtime.portForward({ podSandboxId: pod.id });
    const forward = await connectPortForward(url);
    const talk = async (index: number) => {
      const socket = await forward.open(7000);
      socket.end(`${index}`.repeat(100_000));
      return await text(socket);
    };
    await eventually(
      () => talk(0).catch(String),
      (content) => content.endsWith('end\n'),
    );
    const answers = await Promise.all([1, 2, 3, 4, 5].map(talk));
    expect(answers).toEqual([1, 2, 3, 4, 5].map((index) => `${`${index}`.repeat(100_000)}end\n`));
    await forward.close();
  });

  itBeyondContainerd16('says when nobody listens', async () => {
    await expect(get(await bed.runPod(), 81)).rejects.toThrow(/81|refused/);
  });

  it('is none of a pod that was stopped', async () => {
    const pod = await bed.runPod();
    await bed.runtime.stopPodSandbox({ podSandboxId: pod.id });
    await expectRefusal(bed.runtime.portForward({ podSandboxId: pod.id, port: [80] }));
  });
});
