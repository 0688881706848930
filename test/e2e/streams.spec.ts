import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { AttachSession, ContainerRef } from '@podwright/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../host/images.js';
import { slowness } from '../slowness.js';
import { hostPidOf, type Process, processes } from './support/processes.js';
import {
  agentConfig,
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { logLines, shell, testPod } from './support/test-pods.js';

const BIN = fileURLToPath(new URL('../../packages/podwright/dist/command/podwright.js', import.meta.url));
const LIBRARY = fileURLToPath(new URL('../../packages/podwright/dist/index.js', import.meta.url));
const ECHO = 'while read -r line; do echo "got $line"; done; exit 7';

const ECHO_SERVER = `
  const net = require('node:net');
  net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(8080, () => console.log('ready'));
`;

let folder: string;
let agent: TestAgent;

beforeAll(async () => {
  folder = await makeAgentFolder();
  agent = await startTestAgent(folder);
  await pullBusybox(agent);
  await writeFile(join(folder, 'config.yaml'), JSON.stringify(agentConfig(folder)));
});

afterEach(async () => {
  await removeAllPods(agent);
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(folder);
});

/** Bridges between conmon and its clients that live. */
const bridges = (): Promise<readonly Process[]> =>
  processes(({ command }) => command.startsWith('perl ') && command.includes('pack_sockaddr_un'));

async function bridgesAre(count: number): Promise<void> {
  // A process that was killed is seen for a moment longer; nothing tells when it is not.
  await expect.poll(async () => (await bridges()).length, { timeout: 10_000 * slowness }).toBe(count);
}

async function run(
  name: string,
  script: string,
  fields: object = {},
  spec: object = {},
): Promise<ContainerRef> {
  await agent.runtime.runPod(testPod(name, [shell('main', script, { ...fields })], { ...spec }));
  return { name };
}

function attach(container: ContainerRef, stdin = true): Promise<AttachSession> {
  return agent.runtime.attachContainer(container, { stdin });
}

/** Waits until a stream has given this text. */
async function said(session: AttachSession, words: string): Promise<void> {
  let all = '';
  for await (const chunk of session.stdout.iterator({ destroyOnReturn: false })) {
    all += String(chunk);
    if (all.includes(words)) return;
  }
  throw new Error(`It ended without "${words}": ${all}`);
}

describe('attach', () => {
  it('5 MB through standard input to sha256sum, and no process is left', async () => {
    const pod = await run('sum', 'sha256sum', { stdin: true, stdinOnce: true });
    const session = await attach(pod);
    const sent = randomBytes(5 * 1024 * 1024);
    session.stdin?.end(sent);
    expect(await text(session.stdout)).toBe(`${createHash('sha256').update(sent).digest('hex')}  -\n`);
    expect(await session.ended).toEqual({ type: 'exited', exitCode: 0 });
    await bridgesAre(0);
  });

  it('an agent that is killed while attached leaves no process, and the container takes the next client', async () => {
    const pod = await run('talk', ECHO, { stdin: true });
    const program = `
      const { createRuntime } = await import(${JSON.stringify(LIBRARY)});
      const runtime = await createRuntime(${JSON.stringify(agentConfig(folder))}, { access: 'observe' });
      await runtime.start();
      const session = await runtime.attachContainer({ name: 'talk' }, { stdin: true });
      session.stdin.write('one\\n');
      session.stdout.pipe(process.stdout);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      if (String(chunk).includes('got one')) break;
    }
    expect(await bridges()).toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'close');
    await bridgesAre(0);
    const session = await attach(pod);
    session.stdin?.write('two\n');
    await said(session, 'got two');
    await session.detach();
    expect(await logLines(agent, pod)).toEqual(['stdout: got one', 'stdout: got two']);
  });

  it('a client that takes nothing is left after ten seconds, and the container and the others go on', async () => {
    const flood =
      'read -r x; yes "$(printf %01000d 7)" | head -c 2000000; echo "end of the flood"; sleep 100000';
    const pod = await run('flood', flood, { stdin: true });
    const [lazy, other] = [await attach(pod), await attach(pod, false)];
    const began = Date.now();
    const heard = said(other, 'end of the flood').then(() => Date.now());
    lazy.stdin?.write('go\n');
    await expect(lazy.ended).rejects.toMatchObject({ kind: 'timeout' });
    expect((await heard) - began).toBeGreaterThan(9000);
    await other.detach();
  });

  it('who only looked on stays connected behind the scenes when the input would end with it, until the container ends', async () => {
    const pod = await run('once', ECHO, { stdin: true, stdinOnce: true });
    const watcher = await attach(pod, false);
    await watcher.detach();
    expect(await watcher.ended).toEqual({ type: 'detached' });
    await bridgesAre(1);
    const session = await attach(pod);
    session.stdin?.end('still\n');
    expect(await text(session.stdout)).toBe('got still\n');
    expect(await session.ended).toEqual({ type: 'exited', exitCode: 7 });
    await bridgesAre(0);
  });
});

describe('the command in a terminal', () => {
  /** Runs a script in a pseudo terminal of 101 columns and 43 rows; what is typed there goes to `stdin`. */
  function terminal(script: string) {
    const child = spawn(
      'script',
      ['--quiet', '--return', '--command', `stty cols 101 rows 43; ${script}`, '/dev/null'],
      {
        env: { ...process.env, PODWRIGHT_CONFIG: join(folder, 'config.yaml') },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      all += chunk;
    });
    return {
      type: (keys: string) => child.stdin.write(keys),
      shows: (words: string) => expect.poll(() => all, { timeout: 30_000 * slowness }).toContain(words),
      ended: once(child, 'close').then(() => all),
    };
  }

  const podwright = `${process.execPath} ${BIN}`;
  const guarded = (command: string) =>
    `before=$(stty -g); ${command}; echo "code $?"; [ "$before" = "$(stty -g)" ] && echo restored`;

  it('attach: the size is passed on, the keys detach, the terminal is put back', async () => {
    const pod = await run('shell', 'read -r x; stty size; while read -r x; do echo "got $x"; done', {
      stdin: true,
      tty: true,
    });
    const user = terminal(guarded(`${podwright} attach shell`));
    // It may not be attached yet: what is typed before is read then.
    user.type('\n');
    await user.shows('43 101');
    user.type('word\n');
    await user.shows('got word');
    user.type('\x10\x11');
    const all = await user.ended;
    expect(all).toContain('detached; the container runs on.');
    expect(all).toContain('code 0');
    expect(all).toContain('restored');
    const status = await agent.runtime.getPodStatus(pod);
    expect(status.containers[0]?.state).toBe('running');
    const again = terminal(guarded(`${podwright} attach --detach-keys ctrl-a,d shell`));
    again.type('\x10\x11more\n');
    await again.shows('more');
    again.type('\x01d');
    expect(await again.ended).toContain('restored');
  });

  it('exec: the keys end the command, and the terminal is put back', async () => {
    await run('quiet', 'sleep 100000');
    const user = terminal(guarded(`${podwright} exec -it quiet sh -c 'echo ready; exec sleep 4242'`));
    await user.shows('ready');
    user.type('\x10\x11');
    const all = await user.ended;
    expect(all).toContain('code 137');
    expect(all).toContain('restored');
    expect(await processes(({ command }) => command === 'sleep 4242')).toEqual([]);
  });
});

it('podwright debug, when no agent lives: a shell among the processes of a container, with its exit code', async () => {
  await run('target', 'exec sleep 54321');
  await agent[Symbol.asyncDispose]();
  try {
    const child = spawn(
      process.execPath,
      [
        ...[
          BIN,
          'debug',
          '-i',
          '--image',
          testImages.busybox,
          '-c',
          'look',
          '--target',
          'main',
          'target',
          '--',
        ],
        ...['sh', '-c', 'read -r x; echo "$x: $(cat /proc/1/cmdline | tr "\\000" " ")"; exit 9'],
      ],
      {
        env: { ...process.env, PODWRIGHT_CONFIG: join(folder, 'config.yaml') },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    child.stdin.end('first\n');
    expect(await text(child.stdout)).toBe('first: sleep 54321 \n');
    expect(child.exitCode ?? (await once(child, 'close'))[0]).toBe(9);
  } finally {
    agent = await startTestAgent(folder);
  }
  const { uid, containers } = await agent.runtime.getPodStatus({ name: 'target' });
  expect(containers.map(({ name, kind, state }) => [name, kind, state])).toEqual([
    ['main', 'app', 'running'],
    ['look', 'ephemeral', 'exited'],
  ]);
  await agent.runtime.removePod({ uid }, { graceMs: 0 });
  expect(await agent.service.listContainers({ podUid: uid })).toEqual([]);
});

it('two hundred forwarded connections at once, byte for byte, without a process for each', async () => {
  const name = 'served';
  await run(name, 'sleep 100000', {}, { hostNetwork: false });
  const { uid, containers } = await agent.runtime.getPodStatus({ name });
  const pid = await hostPidOf(agent, containers[0] ?? expect.fail('no container'));
  // busybox has no server that takes so many at once.
  const server = spawn(
    'nsenter',
    [`--net=/proc/${pid}/ns/net`, '--', process.execPath, '--eval', ECHO_SERVER],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    await once(server.stdout, 'data');
    const began = performance.now();
    const streams = await Promise.all(
      Array.from({ length: 200 }, () => agent.runtime.portForward({ uid }, 8080)),
    );
    console.log(`200 connections after ${Math.round(performance.now() - began)} ms`);
    const helpers = await processes(
      ({ command }) => command.includes('net.connect') || command.startsWith('socat'),
    );
    expect(helpers).toHaveLength(1);
    const whole = await Promise.all(
      streams.map(async (stream, index) => {
        const sent = randomBytes(20_000 + index);
        stream.end(sent);
        return (await buffer(stream)).equals(sent);
      }),
    );
    expect(whole.filter(Boolean)).toHaveLength(200);
  } finally {
    server.kill();
  }
});
