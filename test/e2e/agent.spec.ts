import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PodStatus } from '@podwright/core';
import { createRuntime } from 'podwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages, testRegistry } from '../host/images.js';

const BIN = fileURLToPath(new URL('../../packages/podwright/dist/command/podwright.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'podwright-agent-'));
const at = (...parts: readonly string[]) => join(folder, ...parts);
const runDir = `/run/podwright-agent-${process.pid}`;
const config = {
  stateDir: at('state'),
  runDir,
  backendOptions: {
    insecureRegistries: [testRegistry],
    imageStore: { root: at('store'), runRoot: `${runDir}/store` },
  },
};
const WAIT = { timeout: 30_000, interval: 100 };

let agent: Agent | undefined;

interface Agent {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly log: () => string;
}

function startAgent(): Agent {
  const child = spawn(process.execPath, [BIN, 'agent', '--manifests', at('manifests')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PODWRIGHT_CONFIG: at('config.yaml') },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  agent = { child, ended: once(child, 'close').then(([code]) => code), log: () => log };
  return agent;
}

async function end(signal: NodeJS.Signals): Promise<unknown> {
  agent?.child.kill(signal);
  const code = await agent?.ended;
  agent = undefined;
  return code;
}

/** Beside the agent, as `podwright ps` does. */
async function pods(): Promise<readonly PodStatus[]> {
  if (agent && agent.child.exitCode !== null) throw new Error(`The agent has ended: ${agent.log()}`);
  await using runtime = await createRuntime(config, { access: 'observe' });
  await runtime.start();
  const all = await runtime.getPods({ all: true });
  return await Promise.all(all.map(({ uid }) => runtime.getPodStatus({ uid })));
}

async function pod(name: string): Promise<PodStatus | undefined> {
  return (await pods()).find((each) => each.name === name);
}

const stateOf = async (name: string) => (await pod(name))?.containers[0]?.state;

/** A file of the directory, put there as a whole. */
function put(file: string, ...documents: readonly unknown[]): void {
  const text = documents.map((document) =>
    typeof document === 'string' ? document : JSON.stringify(document),
  );
  writeFileSync(at('manifests', `.${file}`), text.join('\n---\n'));
  renameSync(at('manifests', `.${file}`), at('manifests', file));
}

function manifest(name: string, script: string, more: object = {}, container: object = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      hostNetwork: true,
      terminationGracePeriodSeconds: 1,
      ...more,
      containers: [{ name: 'main', image: testImages.busybox, command: ['sh', '-c', script], ...container }],
    },
  };
}

const ASLEEP = 'trap "exit 0" TERM; sleep 100000 & wait';

beforeAll(() => {
  mkdirSync(at('manifests'));
  writeFileSync(at('config.yaml'), JSON.stringify(config));
});

afterEach(async () => {
  await end('SIGKILL');
  rmSync(at('manifests'), { recursive: true, force: true });
  mkdirSync(at('manifests'));
  await using runtime = await createRuntime(config, { access: 'exclusive', lockTimeoutMs: 10_000 });
  await runtime.start();
  for (const { uid } of await runtime.getPods({ all: true }))
    await runtime.removePod({ uid }, { graceMs: 0 });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(runDir, { recursive: true, force: true });
});

describe('podwright agent', () => {
  it('follows the files of its directory: added, changed, removed, and wrong ones', async () => {
    put('first.yaml', manifest('first', ASLEEP));
    const { log } = startAgent();
    await expect.poll(() => stateOf('first'), WAIT).toBe('running');
    const first = await pod('first');

    put('second.yaml', manifest('second', ASLEEP), manifest('third', ASLEEP));
    await expect.poll(() => stateOf('second'), WAIT).toBe('running');
    await expect.poll(() => stateOf('third'), WAIT).toBe('running');

    put('second.yaml', 'kind: Pod\nspec: [');
    await expect.poll(log, WAIT).toMatch(/second\.yaml is left out: .*neither YAML nor JSON/);
    put('other.yaml', manifest('other', ASLEEP, { nodeSelector: { a: 'b' } }));
    await expect.poll(log, WAIT).toMatch(/other\.yaml is left out: .*nodeSelector/);
    expect(await stateOf('second')).toBe('running');

    put('second.yaml', manifest('second', `echo changed; ${ASLEEP}`));
    await expect.poll(() => pod('third'), WAIT).toBeUndefined();
    await expect.poll(async () => (await pod('second'))?.containers[0]?.restartCount, WAIT).toBe(1);
    expect((await pod('second'))?.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8/);

    rmSync(at('manifests', 'second.yaml'));
    await expect.poll(() => pod('second'), WAIT).toBeUndefined();
    expect((await pod('first'))?.containers).toEqual(first?.containers);
  }, 120_000);

  it('begins pods that have ended anew when their file changes: a job that is done, and a pod that was evicted', async () => {
    const cache = (sizeLimit: string) =>
      manifest(
        'cache',
        `head -c 2000000 /dev/zero >/c/data; ${ASLEEP}`,
        { volumes: [{ name: 'c', emptyDir: { sizeLimit } }] },
        { volumeMounts: [{ name: 'c', mountPath: '/c' }] },
      );
    const exitCodes = async (name: string) =>
      (await pod(name))?.containers[0]?.attempts.map(({ exitCode }) => exitCode);
    put('job.yaml', manifest('job', 'exit 0', { restartPolicy: 'Never' }));
    put('cache.yaml', cache('1Mi'));
    startAgent();
    await expect.poll(() => exitCodes('job'), WAIT).toEqual([0]);
    await expect.poll(() => pod('cache'), { ...WAIT, timeout: 60_000 }).toMatchObject({ reason: 'Evicted' });

    put('job.yaml', manifest('job', 'exit 7', { restartPolicy: 'Never' }));
    put('cache.yaml', cache('100Mi'));
    await expect.poll(() => exitCodes('job'), WAIT).toEqual([7]);
    await expect.poll(() => pod('cache'), WAIT).toMatchObject({ phase: 'Running' });
    expect((await pod('cache'))?.reason).toBeUndefined();
  }, 150_000);

  it('gives pods the ConfigMaps of their file, with new content when it changes', async () => {
    const objects = (greeting: string) => ({
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'words' }, data: { greeting } },
    });
    const words = manifest(
      'words',
      `${'until [ "$(cat /c/greeting)" = again ]; do sleep 0.1; done'}; exit 0`,
      { restartPolicy: 'Never', volumes: [{ name: 'c', configMap: { name: 'words' } }] },
      { volumeMounts: [{ name: 'c', mountPath: '/c' }] },
    );
    put('words.yaml', objects('hello'), words);
    startAgent();
    await expect.poll(() => stateOf('words'), WAIT).toBe('running');
    put('words.yaml', objects('again'), words);
    await expect.poll(async () => (await pod('words'))?.phase, WAIT).toBe('Succeeded');
    expect((await pod('words'))?.containers[0]?.attempts).toHaveLength(1);
  }, 60_000);

  it('leaves pods running when it is killed or ended, and takes them up again', async () => {
    const readinessProbe = { exec: { command: ['true'] }, periodSeconds: 1, timeoutSeconds: 30 };
    put('web.yaml', manifest('web', ASLEEP, {}, { readinessProbe }));
    put('gone.yaml', manifest('gone', ASLEEP));
    startAgent();
    await expect.poll(async () => (await pod('web'))?.containers[0]?.ready, WAIT).toBe(true);
    await expect.poll(() => stateOf('gone'), WAIT).toBe('running');
    const before = await pod('web');
    await end('SIGKILL');
    expect((await pod('web'))?.containers).toEqual(before?.containers);

    rmSync(at('manifests', 'gone.yaml'));
    const second = startAgent();
    await expect.poll(second.log, WAIT).toMatch(/default\/web is as web\.yaml says/);
    await expect.poll(() => pod('gone'), WAIT).toBeUndefined();
    expect((await pod('web'))?.containers).toEqual(before?.containers);

    expect(await end('SIGTERM')).toBe(0);
    expect((await pod('web'))?.containers).toEqual(before?.containers);
  }, 90_000);

  it('restarts by liveness, tells readiness to observers, and keeps the message of an end that no agent saw', async () => {
    const share = at('share');
    mkdirSync(share, { mode: 0o777 });
    const container = { volumeMounts: [{ name: 's', mountPath: '/s' }] };
    const volumes = [{ name: 's', hostPath: { path: share } }];
    const livenessProbe = {
      exec: { command: ['test', '!', '-e', '/tmp/sick'] },
      periodSeconds: 1,
      timeoutSeconds: 30,
      failureThreshold: 1,
    };
    put(
      'live.yaml',
      manifest(
        'live',
        `[ -e /s/once ] || touch /s/once /tmp/sick; ${ASLEEP}`,
        { volumes },
        { ...container, livenessProbe },
      ),
    );
    const last = 'until [ -e /s/end ]; do sleep 0.05; done; echo the last words; exit 3';
    const message = { ...container, terminationMessagePolicy: 'FallbackToLogsOnError' };
    put('job.yaml', manifest('job', last, { restartPolicy: 'Never', volumes }, message));
    startAgent();
    await expect.poll(async () => (await pod('live'))?.containers[0]?.restartCount, WAIT).toBe(1);
    await expect.poll(() => stateOf('live'), WAIT).toBe('running');
    await expect.poll(() => stateOf('job'), WAIT).toBe('running');
    await end('SIGKILL');
    writeFileSync(join(share, 'end'), '');
    await expect.poll(() => stateOf('job'), WAIT).toBe('exited');
    expect((await pod('job'))?.containers[0]?.attempts).toMatchObject([
      { exitCode: 3, message: 'the last words\n' },
    ]);
    startAgent();
    await expect.poll(() => agent?.log(), WAIT).toMatch(/default\/job is as job\.yaml says/);
    expect((await pod('job'))?.containers[0]?.attempts).toMatchObject([
      { exitCode: 3, message: 'the last words\n' },
    ]);
  }, 90_000);
});

describe('podwright run', () => {
  it('warns of what takes a living agent', async () => {
    const livenessProbe = { exec: { command: ['true'] } };
    writeFileSync(
      at('probed.json'),
      JSON.stringify(manifest('probed', ASLEEP, { activeDeadlineSeconds: 100 }, { livenessProbe })),
    );
    const child = spawn(process.execPath, [BIN, 'run', at('probed.json')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PODWRIGHT_CONFIG: at('config.yaml') },
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
    });
    const [code] = await once(child, 'close');
    expect(said).toMatch(
      /warning: .*activeDeadlineSeconds, containers\[main\]\.livenessProbe.*podwright agent --manifests/,
    );
    expect(code, said).toBe(0);
  }, 60_000);
});
