import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { PodwrightError, silentLogger } from '@podwright/core';
import {
  HelperPortForwarder,
  type HostCommand,
  type HostProcess,
  type HostResult,
  HostRootNsenter,
  LocalHostExecutor,
  NsenterHostExecutor,
  nsenterCommand,
  type PortForwardTarget,
  pinProcess,
  processTarget,
  type RunCommand,
  readProcessIdentity,
  verifyProcess,
} from '@podwright/nsenter';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const executor = new LocalHostExecutor(silentLogger, {});
const directory = mkdtempSync(join(tmpdir(), 'nsenter-e2e-'));
const servers: ChildProcess[] = [];

afterAll(() => {
  for (const server of servers) server.kill('SIGKILL');
  for (const path of namespaces) execFileSync('umount', [path]);
  rmSync(directory, { recursive: true });
});

const namespaces: string[] = [];

function makeNetns(name: string): string {
  const path = join(directory, name);
  writeFileSync(path, '');
  execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
  namespaces.push(path);
  return path;
}

/** All of it up to its end, and the stream stays: iterating would destroy it. */
async function received(stream: Duplex): Promise<string> {
  let all = '';
  stream.on('data', (chunk) => {
    all += chunk;
  });
  await once(stream, 'end');
  return all;
}

/** What the pod's server does on each of its ports. */
const SERVER = `
  const net = require('node:net');
  const on = (port, host, serve) => net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  }).listen(port, host, () => console.log('ready'));
  on(1001, '127.0.0.1', (socket) => socket.pipe(socket));
  on(1002, '127.0.0.1', (socket) => {
    let bytes = 0;
    socket.on('data', (chunk) => { bytes += chunk.length; });
    socket.on('end', () => setTimeout(() => socket.end('got ' + bytes), 1000));
  });
  on(1003, '127.0.0.1', (socket) => {
    socket.end('hello');
    let bytes = 0;
    socket.on('data', (chunk) => { bytes += chunk.length; });
    socket.on('end', () => console.log('1003 got ' + bytes));
  });
  on(1004, '::1', (socket) => socket.end('over IPv6'));
  on(1005, '127.0.0.1', (socket) => { socket.pause(); });
  on(1006, '127.0.0.1', (socket) => { socket.write('some', () => setTimeout(() => socket.resetAndDestroy(), 100)); });
  on(1007, '127.0.0.1', (socket) => { socket.resume(); socket.on('end', () => console.log('1007 closed')); });
`;

async function serve(netns: string): Promise<ChildProcess & { stdout: NodeJS.ReadableStream }> {
  const server = spawn('nsenter', [`--net=${netns}`, '--', process.execPath, '-e', SERVER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.push(server);
  let ready = 0;
  await new Promise<void>((resolve) => {
    server.stdout.on('data', (chunk: Buffer) => {
      ready += chunk.toString().split('ready').length - 1;
      if (ready === 7) resolve();
    });
  });
  return server;
}

/** Children of this process that connect in a namespace. */
function helpersOfThisProcess(): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [, , , parent] = readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/\(.*\)/, '()')
          .split(' ');
        return (
          Number(parent) === process.pid &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('net.connect')
        );
      } catch {
        return false;
      }
    });
}

async function errorOf(promise: Promise<unknown>): Promise<PodwrightError> {
  const error = await promise.catch((reason: unknown) => reason);
  if (!PodwrightError.is(error)) throw new Error(`no PodwrightError: ${String(error)}`);
  return error;
}

describe('port-forward into a network namespace', () => {
  const forwarder = new HelperPortForwarder(executor);
  let netns: string;
  let target: PortForwardTarget;
  let server: ChildProcess & { stdout: NodeJS.ReadableStream };
  const connect = (port: number) => forwarder.connect(target, port);
  const serverSays = async (line: string) => {
    for (let said = ''; !said.includes(line); ) said += String((await once(server.stdout, 'data'))[0]);
  };

  beforeAll(async () => {
    netns = makeNetns('net');
    target = { netnsPath: netns };
    server = await serve(netns);
  });

  test('20 MB go there and come back whole', async () => {
    const sent = Buffer.alloc(20_000_000, 'all the bytes from 0 to 255 \0\xff', 'latin1');
    const stream = await connect(1001);
    stream.end(sent);
    expect((await buffer(stream)).equals(sent)).toBe(true);
  });

  test('our end is passed on, and an answer that comes later still arrives', async () => {
    const stream = await connect(1002);
    stream.end(Buffer.alloc(1_000_000));
    expect(await text(stream)).toBe('got 1000000');
  });

  test('their end is passed on, and what we send later still arrives', async () => {
    const stream = await connect(1003);
    expect(await received(stream)).toBe('hello');
    await sleep(1000);
    const heard = serverSays('1003 got 3000000');
    stream.end(Buffer.alloc(3_000_000));
    await heard;
  });

  test('a server on ::1 only is found', async () => {
    const stream = await connect(1004);
    expect(await text(stream)).toBe('over IPv6');
    stream.end();
  });

  test('a server that does not read stops the writer', async () => {
    const stream = await connect(1005);
    let sent = 0;
    let waiting = false;
    while (!waiting && sent < 200_000_000) {
      sent += 65_536;
      if (!stream.write(Buffer.alloc(65_536))) {
        waiting = await Promise.race([once(stream, 'drain').then(() => false), sleep(1000, true)]);
      }
    }
    expect(waiting).toBe(true);
    expect(sent).toBeLessThan(100_000_000);
    stream.destroy();
  });

  test('a reset is an error and no end', async () => {
    const stream = await connect(1006);
    const error = await errorOf(text(stream));
    expect(error.kind).toBe('unreachable');
    expect(error.message).toContain('reset');
  });

  test('destroying the stream ends the connection', async () => {
    const stream = await connect(1007);
    const heard = serverSays('1007 closed');
    stream.destroy();
    await heard;
  });

  test('two hundred at once, each with its own bytes, through one helper that is gone then', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const stream = await connect(1001);
        const sent = Buffer.alloc(50_000 + index, index);
        stream.end(sent);
        return (await buffer(stream)).equals(sent);
      }),
    );
    expect(answers).toEqual(answers.map(() => true));
    expect(helpersOfThisProcess()).toHaveLength(1);
    const still = await connect(1001);
    await forwarder[Symbol.asyncDispose]();
    expect(helpersOfThisProcess()).toEqual([]);
    still.end('goes on');
    expect(await text(still)).toBe('goes on');
  });

  test('nothing listens there', async () => {
    const error = await errorOf(connect(9));
    expect(error.kind).toBe('unreachable');
    expect(error.message).toContain('port 9');
  });

  test('the namespace is gone', async () => {
    const error = await errorOf(forwarder.connect({ netnsPath: join(directory, 'none') }, 80));
    expect(error.kind).toBe('failed-precondition');
    expect(error.message).toContain('none');
  });

  test('the loopback interface is down', async () => {
    const path = join(directory, 'down');
    writeFileSync(path, '');
    execFileSync('unshare', [`--net=${path}`, 'true']);
    namespaces.push(path);
    const error = await errorOf(forwarder.connect({ netnsPath: path }, 80));
    expect(error.kind).toBe('unreachable');
  });

  test('by a process, which has to be that of its unit', async () => {
    const unit = `podwright-nsenter-${process.pid}.service`;
    execFileSync('systemd-run', [
      '--quiet',
      // Started when the program runs: until then its process may not be in the unit, nor in the namespace.
      '--property=Type=exec',
      `--unit=${unit}`,
      `--property=NetworkNamespacePath=${netns}`,
      'sleep',
      '300',
    ]);
    try {
      const shown = execFileSync('systemctl', ['show', '--value', '--property=MainPID', unit], {
        encoding: 'utf8',
      });
      const identity = (await readProcessIdentity(executor, Number(shown))) ?? expect.fail('no process');
      const stream = await forwarder.connect({ process: identity, unit }, 1001);
      stream.end('by process');
      expect(await text(stream)).toBe('by process');
      const foreign = await errorOf(forwarder.connect({ process: identity, unit: 'dbus.service' }, 1001));
      expect(foreign.kind).toBe('failed-precondition');

      await using pinned = await pinProcess(executor, identity, { unit });
      const inside = nsenterCommand(processTarget(pinned.procPath, { namespaces: ['net'] }), [
        ...['readlink', '/proc/self/ns/net'],
      ]);
      const own = execFileSync('nsenter', [`--net=${netns}`, 'readlink', '/proc/self/ns/net'], {
        encoding: 'utf8',
      });
      expect((await executor.run(inside)).stdout.toString()).toBe(own);

      execFileSync('systemctl', ['stop', unit]);
      expect((await errorOf(forwarder.connect({ process: identity, unit }, 1001))).kind).toBe(
        'failed-precondition',
      );
      expect((await errorOf(verifyProcess(executor, identity))).kind).toBe('failed-precondition');
      expect((await errorOf(executor.run(inside))).kind).toBe('command-failed');
    } finally {
      spawn('systemctl', ['stop', unit], { stdio: 'ignore' });
    }
  });
});

/** Runs everything in a mount namespace of its own, as the commands of an agent in a container are. */
class ContainedExecutor extends LocalHostExecutor {
  override run(command: RunCommand): Promise<HostResult> {
    return super.run(contained(command));
  }

  override start(command: HostCommand): Promise<HostProcess> {
    return super.start(contained(command));
  }
}

function contained<T extends HostCommand>(command: T): T {
  const script = `mount -t tmpfs tmpfs ${directory}/apart && touch ${directory}/apart/container-only && exec "$@"`;
  return {
    ...command,
    command: 'unshare',
    args: ['--mount', '--propagation=private', 'sh', '-c', script, 'sh', command.command, ...command.args],
  };
}

describe('an agent in a container', () => {
  const apart = join(directory, 'apart');
  let host: HostRootNsenter;
  let onHost: NsenterHostExecutor;
  const agent = new ContainedExecutor(silentLogger, {});
  const run = async (command: string, ...args: string[]) =>
    (await onHost.run({ command, args })).stdout.toString();

  beforeAll(() => {
    mkdirSync(apart);
    symlinkSync('/', join(directory, 'rootfs'));
    host = new HostRootNsenter(agent, { hostRoot: join(directory, 'rootfs') });
    onHost = new NsenterHostExecutor(host);
  });

  test('sees the host’s mounts and not its own', async () => {
    const seen = await agent.run({ command: 'ls', args: [apart] });
    expect(seen.stdout.toString()).toBe('container-only\n');
    expect(await run('ls', apart)).toBe('');
  });

  test('mounts on the host', async () => {
    await run('mount', '-t', 'tmpfs', 'made-by-agent', apart);
    try {
      expect(execFileSync('findmnt', ['-n', '-o', 'SOURCE', apart], { encoding: 'utf8' })).toBe(
        'made-by-agent\n',
      );
    } finally {
      await run('umount', apart);
    }
  });

  test('has the working directory of the host, streams, and the command’s exit code', async () => {
    symlinkSync(apart, join(directory, 'link'));
    const shell = await onHost.run({ command: 'sh', args: ['-c', 'pwd'], cwd: join(directory, 'link') });
    expect(shell.stdout.toString()).toBe(`${apart}\n`);
    const child = await onHost.start({ command: 'cat', args: [] });
    child.stdin.end('through');
    const out = new PassThrough();
    child.stdout.pipe(out);
    expect(await text(out)).toBe('through');
    const failure = await errorOf(onHost.run({ command: 'sh', args: ['-c', 'exit 7'] }));
    expect(failure.details['exitCode']).toBe(7);
  });

  test('follows the host’s links and finds its systemd', async () => {
    expect(await host.evalSymlinks('/bin/sh', { mustExist: true })).toBe('/usr/bin/dash');
    expect(host.supportsSystemd()).toBe('/bin/systemd-run');
  });

  test('forwards a port of a namespace that was made after the agent’s start', async () => {
    const netns = makeNetns('agent-net');
    await serve(netns);
    const stream = await new HelperPortForwarder(onHost).connect({ netnsPath: netns }, 1001);
    stream.end('from inside');
    expect(await text(stream)).toBe('from inside');
  });
});
