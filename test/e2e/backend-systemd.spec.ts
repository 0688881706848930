import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { containerUnitName } from '@podwright/backend-systemd';
import type {
  ContainerConfig,
  ContainerStatus,
  LogEntry,
  LogOptions,
  PodSandboxConfig,
} from '@podwright/core';
import { concatMap, filter, firstValueFrom, map, startWith, takeWhile, timeout, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../host/images.js';
import { slowness } from '../slowness.js';
import { processes } from './support/processes.js';
import {
  makeAgentFolder,
  pullBusybox,
  removeAgentFolder,
  removeAllPods,
  startTestAgent,
  type TestAgent,
} from './support/test-agent.js';
import { podStatusWhen, shell, testPod } from './support/test-pods.js';

const run = promisify(execFile);
const WAIT = { timeout: 20_000 * slowness };

let agent: TestAgent;
let uids = 0;

beforeAll(async () => {
  agent = await startTestAgent(await makeAgentFolder());
  await pullBusybox(agent);
});

afterEach(async () => {
  await removeAllPods(agent);
  for (const { id } of await agent.service.listPodSandboxes()) await agent.service.removePodSandbox(id);
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await removeAgentFolder(agent.folder);
});

function sandbox(uid: string, attempt: number): PodSandboxConfig {
  return {
    metadata: { name: 'p', namespace: 'default', uid, attempt },
    ...{ labels: {}, annotations: {}, network: 'node', ipc: 'node', pid: 'container', portMappings: [] },
  };
}

/** Makes a container that runs a script, in a sandbox of its own if none is named. */
async function make(
  script: string,
  fields: Partial<ContainerConfig> = {},
  sandboxId?: string,
): Promise<string> {
  const owner = sandboxId ?? (await agent.service.runPodSandbox(sandbox(`uid${uids++}`, 0)));
  return await agent.service.createContainer(owner, {
    ...{ metadata: { name: 'main', attempt: 0 }, image: testImages.busybox, command: ['sh', '-c', script] },
    ...{ env: [], mounts: [], devices: [], labels: {}, annotations: {}, resources: {}, security: {} },
    ...{ restart: { by: 'caller' }, terminationGraceMs: 5000, ...fields },
  });
}

async function start(...args: Parameters<typeof make>): Promise<string> {
  const id = await make(...args);
  await agent.service.startContainer(id);
  return id;
}

async function statusWhen(id: string, isReached: (status: ContainerStatus) => boolean) {
  return await firstValueFrom(
    agent.service.events.pipe(
      startWith(undefined),
      concatMap(() => agent.service.containerStatus(id)),
      filter(isReached),
      timeout(20_000 * slowness),
    ),
  );
}

async function logs(id: string, options: LogOptions = {}): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of agent.service.containerLogs(id, options)) entries.push(entry);
  return entries;
}

const textOf = (entries: readonly LogEntry[]) =>
  entries.map(({ line, partial }) => `${line.toString('latin1')}${partial ? '' : '\n'}`).join('');

const ended = (count: number) => (status: ContainerStatus) =>
  status.attempts.filter(({ finishedAtMs }) => finishedAtMs !== undefined).length >= count;

const ALWAYS = { restart: { by: 'backend', policy: 'Always' } } as const;

it("a pod's old sandbox is removed beside its new one, whose containers run on", async () => {
  const old = await agent.service.runPodSandbox(sandbox('twice', 0));
  await start('exit 0', {}, old);
  await agent.service.stopPodSandbox(old);
  const fresh = await agent.service.runPodSandbox(sandbox('twice', 1));
  const id = await start('sleep 1000', {}, fresh);
  await agent.service.removePodSandbox(old);
  expect((await agent.service.containerStatus(id)).state).toBe('running');
  await agent.service.removePodSandbox(fresh);
});

describe('logs', () => {
  it('count lines, also those that are so long that they come in parts', async () => {
    const long = 'x'.repeat(40_000);
    const id = await start(`echo first; printf '%040000d' 0 | tr 0 x; echo; echo last`);
    await statusWhen(id, ended(1));
    const all = await logs(id);
    expect(all.length).toBeGreaterThan(3);
    expect(textOf(all)).toBe(`first\n${long}\nlast\n`);
    expect(textOf(await logs(id, { tail: 1 }))).toBe('last\n');
    expect(textOf(await logs(id, { tail: 2 }))).toBe(`${long}\nlast\n`);
    expect(textOf(await logs(id, { tail: 3 }))).toBe(`first\n${long}\nlast\n`);
    expect(textOf(await logs(id, { tail: 30 }))).toBe(`first\n${long}\nlast\n`);
    expect(textOf(await logs(id, { tail: 0 }))).toBe('');
    expect(textOf(await logs(id, { tail: 2, follow: true }))).toBe(`${long}\nlast\n`);
  });

  it('that are followed end when the container is removed, before it ran or while it does', async () => {
    const created = await make('true');
    const running = await start('echo here; sleep 1000');
    const followed = [created, running].map(async (id) => textOf(await logs(id, { follow: true })));
    for await (const _entry of agent.service.containerLogs(running, { follow: true })) break;
    await agent.service.removeContainer(created);
    await agent.service.removeContainer(running);
    expect(await Promise.all(followed)).toEqual(['', 'here\n']);
  });

  it('that are followed end when the agent closes', async () => {
    const folder = await makeAgentFolder();
    const other = await startTestAgent(folder);
    await pullBusybox(other);
    const { uid } = await other.runtime.runPod(testPod('closing', [shell('main', 'echo here; sleep 1000')]));
    const seen: string[] = [];
    let begun = () => {};
    const first = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const following = (async () => {
      for await (const { line } of other.runtime.getContainerLogs(
        { uid, container: 'main' },
        { follow: true },
      )) {
        seen.push(line.toString());
        begun();
      }
    })();
    await first;
    await other[Symbol.asyncDispose]();
    await following;
    expect(seen).toEqual(['here']);
    await using next = await startTestAgent(folder);
    await removeAllPods(next);
    await next[Symbol.asyncDispose]();
    await removeAgentFolder(folder);
  });
});

describe('restarts', () => {
  it('end for good with systemctl stop', async () => {
    const id = await start('trap "exit 3" TERM; echo ready; sleep 1000 & wait', ALWAYS);
    for await (const _entry of agent.service.containerLogs(id, { follow: true })) break;
    await run('systemctl', ['stop', containerUnitName(id)]);
    const status = await statusWhen(id, ({ state }) => state === 'exited');
    expect(status.attempts).toMatchObject([{ attempt: 0, exitCode: 3 }]);
  });

  it('after too much memory do not count what ended otherwise as that', async () => {
    const script = 'if [ -e /shared/again ]; then exit 137; fi; : >/shared/again; tail /dev/zero';
    const uid = 'memory';
    const { uid: podUid } = await agent.runtime.runPod(
      testPod(
        uid,
        [
          shell('main', script, {
            resources: { limits: { memory: '16Mi' } },
            volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
          }),
        ],
        { restartPolicy: 'Always', volumes: [{ name: 'shared', emptyDir: {} }] },
      ),
    );
    const { containers } = await podStatusWhen(
      agent,
      podUid,
      (pod) => (pod.containers[0]?.restartCount ?? 0) >= 2,
    );
    expect(containers[0]?.attempts.slice(0, 2)).toMatchObject([
      { exitCode: 137, reason: 'OOMKilled' },
      { exitCode: 137, reason: 'Error' },
    ]);
  });
});

describe('restarts that wait', () => {
  const LONG_MS = 600_000;
  let usual: TestAgent;

  beforeAll(async () => {
    usual = agent;
    const restartBackoff = { initialMs: LONG_MS, maxMs: LONG_MS, resetMs: LONG_MS };
    agent = await startTestAgent(await makeAgentFolder(), { backendOptions: { restartBackoff } });
    await pullBusybox(agent);
  });

  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await removeAgentFolder(agent.folder);
    agent = usual;
  });

  it.each(['SIGTERM', 'SIGQUIT', 'SIGUSR1'])(
    'are stopped at once, with %s and no attempt more',
    async (stopSignal) => {
      const id = await start('exit 1', { ...ALWAYS, stopSignal, terminationGraceMs: LONG_MS });
      // The first restart follows at once.
      const isWaiting = ({ state, attempts }: ContainerStatus) =>
        state === 'waiting' && attempts.length === 2;
      await statusWhen(id, isWaiting);
      // Until it sleeps, the unit is about to start anew and has not come to its delay yet.
      await expect
        .poll(() => processes(({ command }) => command === `sleep ${LONG_MS / 1000}.000`), WAIT)
        .toHaveLength(1);
      const before = performance.now();
      await agent.service.stopContainer(id);
      expect(performance.now() - before).toBeLessThan(30_000 * slowness);
      const after = await agent.service.containerStatus(id);
      expect(after.state).toBe('exited');
      expect(after.attempts.map(({ exitCode }) => exitCode)).toEqual([1, 1]);
    },
  );
});

it('what a container mounted in its volumes goes with the pod, and its content stays', async () => {
  const volumeMounts = [{ name: 'data', mountPath: '/data', mountPropagation: 'Bidirectional' }];
  const script = 'mkdir /data/sub && mount -t tmpfs tmpfs /data/sub && touch /data/sub/file && echo done';
  const { uid } = await agent.runtime.runPod(
    testPod('mounting', [shell('main', script, { volumeMounts, securityContext: { privileged: true } })], {
      volumes: [{ name: 'data', emptyDir: {} }],
    }),
  );
  const status = await podStatusWhen(agent, uid, ({ phase }) => phase === 'Succeeded' || phase === 'Failed');
  expect(status.phase).toBe('Succeeded');
  const sub = `${agent.layout.volumesDir}/${uid}/data/sub`;
  expect(await readFile('/proc/self/mountinfo', 'utf8')).toContain(sub);
  await agent.runtime.removePod({ uid });
  expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(sub);
});

describe('the stop of a sandbox', () => {
  it('is told after the ends of all its containers', async () => {
    const sandboxId = await agent.service.runPodSandbox(sandbox(`uid${uids++}`, 0));
    const ids: string[] = [];
    for (let i = 0; i < 8; i++) {
      ids.push(await start('exec sleep 100000', { metadata: { name: `c${i}`, attempt: 0 } }, sandboxId));
    }
    const told = firstValueFrom(
      agent.service.events.pipe(
        filter((event) => event.sandboxId === sandboxId),
        takeWhile(({ type }) => type !== 'sandbox-stopped'),
        filter(({ type }) => type === 'container-exited'),
        map((event) => ('containerId' in event ? event.containerId : '')),
        toArray(),
      ),
    );
    await agent.service.stopPodSandbox(sandboxId);
    expect([...(await told)].sort()).toEqual(ids.sort());
  });
});

describe('a container that makes one short process after the other', () => {
  it('has conmon as main process of its unit, and its grace when it is stopped', async () => {
    const sandboxId = await agent.service.runPodSandbox(sandbox(`uid${uids++}`, 0));
    for (let i = 0; i < 20; i++) {
      const metadata = { name: `c${i}`, attempt: 0 };
      const id = await start(
        'trap "exit 7" TERM; >/ready; while :; do sh -c :; done',
        { metadata },
        sandboxId,
      );
      const { stdout } = await run('systemctl', ['show', '-P', 'MainPID', containerUnitName(id)]);
      expect(await readFile(`/proc/${stdout.trim()}/comm`, 'utf8')).toBe('conmon\n');
      await agent.service.execSync(id, ['sh', '-c', 'until [ -e /ready ]; do sleep 0.05; done']);
      await agent.service.stopContainer(id);
      const { attempts } = await agent.service.containerStatus(id);
      expect(attempts).toMatchObject([{ exitCode: 7 }]);
    }
  });
});
