// Pods as people write them, of programs as Debian packages them. Manifests: real-pods/*.yaml; images: real-images.mjs.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { type PodStatus, parseManifests } from '@podwright/core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { realImageLayout } from '../host/real-images.mjs';
import {
  makeAgentFolder,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { containerOf, logLines, podStatusAtEnd, testPod } from './support/test-pods.js';

const HTTP = 'GET / HTTP/1.0\r\n\r\n';
const HOST_PORT = 18480;
const PATIENCE_MS = 90_000;
/** Of a test: these programs take their time on a busy machine. */
const LONG = { timeout: 240_000 };
const PASSWORD = 's3cret $HOME 100%';

let agent: TestAgent;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder());
  for (const name of ['nginx', 'redis', 'postgres']) {
    await agent.runtime.loadImage(realImageLayout(name), { reference: `localhost/${name}:latest` });
  }
});

afterEach(() => removeAllPods(agent));

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

/** Runs the pod of a manifest, with its ConfigMaps and Secrets. */
async function runManifest(name: string): Promise<{ readonly uid: string; readonly ip: string }> {
  const text = await readFile(new URL(`real-pods/${name}.yaml`, import.meta.url), 'utf8');
  const documents = parseAllDocuments(text).map((document): unknown => document.toJS());
  const { pods, objects } = parseManifests(documents);
  const [pod] = pods;
  if (pod === undefined) throw new Error(`${name}.yaml has no pod.`);
  const { uid, ips } = await agent.runtime.runPod(pod, { objects });
  return { uid, ip: ips[0] ?? '' };
}

/** Sends a text and gives what comes back, until the other side ends or it has what is wanted. */
async function ask(connection: Duplex, request: string, wanted?: RegExp): Promise<string> {
  connection.write(request);
  let answer = '';
  for await (const chunk of connection) {
    answer += String(chunk);
    if (wanted?.test(answer)) break;
  }
  connection.destroy();
  return answer;
}

const forward = (uid: string, port: number) => agent.runtime.portForward({ uid }, port);

/** A port on loopback whose connections lead to a port of a pod. */
async function forwardedPort(uid: string, port: number) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const carry = async () => {
      const remote = await forward(uid, port);
      await Promise.all([pipeline(socket, remote), pipeline(remote, socket)]);
    };
    carry().catch((error: unknown) => socket.destroy(error instanceof Error ? error : undefined));
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The listener has no port.');
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

async function inside(uid: string, container: string, ...command: string[]): Promise<string> {
  const { stdout, stderr } = await agent.runtime.runInContainer({ uid, container }, command);
  return `${stdout}${stderr}`.trim();
}

/** Waits until a status is as wanted; what probes say is told by no event of the backend. */
async function statusWhen(uid: string, isReached: (status: PodStatus) => boolean): Promise<void> {
  let last: PodStatus | undefined;
  const look = async () => {
    last = await agent.runtime.getPodStatus({ uid });
    return isReached(last);
  };
  await expect
    .poll(look, { timeout: PATIENCE_MS, interval: 100 })
    .toBe(true)
    .catch(async (cause: unknown) => {
      const words = await Promise.all(
        (last?.containers ?? []).map(({ name }) => logLines(agent, { uid, container: name }, { tail: 20 })),
      );
      throw new Error(`${JSON.stringify(last?.containers)}\n${words.flat().join('\n')}`, { cause });
    });
}

const ready = (uid: string, name: string) => statusWhen(uid, (status) => containerOf(status, name).ready);

it(
  'nginx: its page by port-forward, pod IP and host port; logs to /dev/stdout; workers without root',
  LONG,
  async () => {
    const { uid, ip } = await runManifest('nginx');
    await ready(uid, 'nginx');
    for (const connection of [await forward(uid, 80), connect(80, ip)]) {
      expect(await ask(connection, HTTP)).toMatch(/200 OK[\s\S]*Hello from a ConfigMap/);
    }
    const { stdout } = await promisify(execFile)('ip', ['-4', '-o', 'addr', 'show', 'podwright0']);
    const node = /inet ([\d.]+)/.exec(stdout)?.[1] ?? '';
    expect(await ask(connect(HOST_PORT, node), HTTP)).toMatch(/Hello from a ConfigMap/);
    for (const words of [/^stdout: .*"GET \/ HTTP\/1\.0" 200/, /^stderr: .*start worker process/]) {
      await expect
        .poll(() => logLines(agent, { uid }), { timeout: PATIENCE_MS })
        .toContainEqual(expect.stringMatching(words));
    }
    const workers =
      'for p in /proc/[0-9]*; do grep -qs "nginx: worker" $p/cmdline && grep ^Uid $p/status; done; true';
    expect(await inside(uid, 'nginx', 'sh', '-c', workers)).toMatch(/^Uid:\s+33\s+33/);
    await agent.runtime.killPod({ uid });
    const ended = await agent.runtime.getPodStatus({ uid });
    // SIGQUIT of its image lets it end by itself.
    expect(containerOf(ended, 'nginx').attempts.at(-1)).toMatchObject({ exitCode: 0 });
  },
);

it(
  'redis: PING by port-forward and pod IP; becomes its user; a sysctl and a tmpfs of the pod',
  LONG,
  async () => {
    const { uid, ip } = await runManifest('redis');
    await ready(uid, 'redis');
    for (const connection of [await forward(uid, 6379), connect(6379, ip)]) {
      expect(await ask(connection, 'PING\r\n', /\n/)).toBe('+PONG\r\n');
    }
    expect(await inside(uid, 'redis', 'grep', '^Uid', '/proc/1/status')).toMatch(/^Uid:\s+999\s+999/);
    expect(await inside(uid, 'redis', 'cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('1024');
    expect(await inside(uid, 'redis', 'stat', '-f', '-c', '%T', '/scratch')).toBe('tmpfs');
    expect(await ask(await forward(uid, 6379), 'SET k v\r\nSAVE\r\nGET k\r\n', /v\r\n$/)).toMatch(
      /\+OK[\s\S]*v\r\n/,
    );
  },
);

it('postgres: SELECT 1 by port-forward and pod IP; its data survives a restart', LONG, async () => {
  const { uid, ip } = await runManifest('postgres');
  await ready(uid, 'postgres');
  // The client's program is in the server's image only.
  const answers = async (
    spec: { readonly hostNetwork: boolean },
    server: readonly string[],
    ...queries: readonly string[]
  ) => {
    const args = ['-At', ...queries.flatMap((query) => ['-c', query])];
    const client = await agent.runtime.runPod(
      testPod(
        'client',
        [
          {
            name: 'psql',
            image: 'localhost/postgres:latest',
            command: ['psql', '-U', 'postgres', ...server],
            args,
            env: [{ name: 'PGPASSWORD', value: PASSWORD }],
          },
        ],
        spec,
      ),
    );
    const { attempts } = containerOf(await podStatusAtEnd(agent, client.uid), 'psql');
    const lines = await logLines(agent, { uid: client.uid });
    expect({ exitCode: attempts[0]?.exitCode, lines }).toMatchObject({ exitCode: 0 });
    await agent.runtime.removePod({ uid: client.uid });
    return lines;
  };
  // From another pod.
  const overIp = (...queries: readonly string[]) => answers({ hostNetwork: false }, ['-h', ip], ...queries);
  expect(await overIp('SELECT 1')).toEqual(['stdout: 1']);
  await overIp('CREATE TABLE kept AS SELECT 42 AS answer');
  // A client of the host's network, for which a port of its own loopback leads into the pod, as `kubectl port-forward` does it.
  await using listener = await forwardedPort(uid, 5432);
  const forwarded = ['-h', '127.0.0.1', '-p', String(listener.port)];
  expect(await answers({ hostNetwork: true }, forwarded, 'SELECT 1', 'SELECT answer FROM kept')).toEqual([
    'stdout: 1',
    'stdout: 42',
  ]);
  // SIGINT is its fast shutdown; the pod's policy starts it again.
  await inside(uid, 'postgres', 'sh', '-c', 'kill -INT 1');
  await statusWhen(uid, (status) => {
    const { restartCount, ready: isReady } = containerOf(status, 'postgres');
    return restartCount === 1 && isReady;
  });
  expect(await overIp('SELECT answer FROM kept')).toEqual(['stdout: 42']);
});

it('a sidecar pair: an init container prepares, a sidecar writes, the app serves both', LONG, async () => {
  const { uid } = await runManifest('sidecar');
  await ready(uid, 'nginx');
  expect(await ask(await forward(uid, 80), HTTP)).toMatch(/prepared by 1000/);
  const count = async () =>
    Number(/(\d+)\s*$/.exec(await ask(await forward(uid, 80), 'GET /count HTTP/1.0\r\n\r\n'))?.[1]);
  const first = await count();
  await expect.poll(count, { timeout: PATIENCE_MS }).toBeGreaterThan(first);
  expect(containerOf(await agent.runtime.getPodStatus({ uid }), 'writer').state).toBe('running');
});

it('a job: init containers in order, a failure that is repeated, completion', async () => {
  const { uid } = await runManifest('job');
  const { phase, ...status } = await podStatusAtEnd(agent, uid);
  expect(phase).toBe('Succeeded');
  expect(containerOf(status, 'job').attempts.map(({ exitCode }) => exitCode)).toEqual([3, 0]);
  expect(await logLines(agent, { uid, container: 'job' })).toEqual([
    'stdout: one',
    'stdout: two',
    'stdout: done',
  ]);
});
