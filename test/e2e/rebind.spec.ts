import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Clock,
  type ContainerOptionsContext,
  ContainerOptionsGenerator,
  type ContainerRuntime,
  EventRecorder,
  Logger,
  type Pod,
  type PodEvent,
  ProbeResults,
  parsePod,
  SystemClock,
  toApiPodStatus,
  VolumeProvider,
} from '@podwright/core';
import { ManifestContainerOptionsGenerator } from '@podwright/pods';
import { ContainerModule, type ContainerModuleLoadOptions } from 'inversify';
import { createRuntime } from 'podwright';
import { lastValueFrom } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { absentImage, authRegistry, testImages, testRegistry } from '../host/images.js';

/** A real agent on the systemd backend with parts of it replaced, in directories of its own. */
let folder: string;
let runtime: ContainerRuntime;

beforeAll(async () => {
  // On a tmpfs: the root file system of the throw-away host is an overlay, on which no overlay can stand.
  folder = await mkdtemp('/run/podwright-rebind-');
});

afterEach(async () => {
  for (const { uid } of await runtime.getPods({ all: true }))
    await runtime.removePod({ uid }, { graceMs: 0 });
  await runtime[Symbol.asyncDispose]();
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function startWith(load: (options: ContainerModuleLoadOptions) => void): Promise<void> {
  runtime = await createRuntime(
    {
      backend: 'systemd',
      stateDir: join(folder, 'state'),
      runDir: join(folder, 'run'),
      backendOptions: { insecureRegistries: [testRegistry, authRegistry.address] },
    },
    { modules: [new ContainerModule(load)] },
  );
  await runtime.start();
}

function podOf(command: string, spec: object = {}, container: object = {}): Pod {
  return parsePod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'rebind' },
    spec: {
      restartPolicy: 'Never',
      hostNetwork: true,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image: testImages.busybox,
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', command],
          ...container,
        },
      ],
      ...spec,
    },
  });
}

/** The log of the pod's one container, to its end. */
async function logOf(uid: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of runtime.getContainerLogs({ uid }, { follow: true })) lines.push(String(line));
  return lines;
}

describe('a token rebound on the systemd backend changes a real pod', () => {
  it('ContainerOptionsGenerator: every container gets a variable and a directory of the node', async () => {
    const shared = join(folder, 'certificates');
    await mkdir(shared);
    await writeFile(join(shared, 'ca.pem'), 'of this node\n');
    class NodeOptions extends ManifestContainerOptionsGenerator {
      override async generate(context: ContainerOptionsContext) {
        const config = await super.generate(context);
        return {
          ...config,
          env: [...config.env, { name: 'NODE_NAME', value: 'edge "7"' }],
          mounts: [...config.mounts, { hostPath: shared, containerPath: '/certificates', readOnly: true }],
        };
      }
    }
    await startWith(({ rebind }) => {
      rebind(ContainerOptionsGenerator).toConstantValue(new NodeOptions());
    });

    const { uid } = await runtime.runPod(
      podOf('echo "$NODE_NAME"; cat /certificates/ca.pem; touch /certificates/x || echo read-only'),
    );
    expect((await logOf(uid)).filter((line) => !line.startsWith('touch:'))).toEqual([
      'edge "7"',
      'of this node',
      'read-only',
    ]);
  });

  it('VolumeProvider: a volume comes from a place of the agent, and is given back when the pod goes', async () => {
    const given: string[] = [];
    const provider: VolumeProvider = {
      setUp: async (pod) => {
        const path = join(folder, 'prepared', pod.metadata.uid);
        await mkdir(path, { recursive: true });
        await writeFile(join(path, 'seed'), 'prepared by the agent\n');
        return new Map(pod.spec.volumes.map(({ name }) => [name, path]));
      },
      update: async () => undefined,
      usage: async () => [],
      tearDown: async (uid) => {
        given.push(uid);
      },
    };
    await startWith(({ rebind }) => {
      rebind(VolumeProvider).toConstantValue(provider);
    });

    const { uid } = await runtime.runPod(
      podOf(
        'cat /data/seed; echo written > /data/answer',
        { volumes: [{ name: 'data', emptyDir: {} }] },
        { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      ),
    );
    expect(await logOf(uid)).toEqual(['prepared by the agent']);
    expect(await readFile(join(folder, 'prepared', uid, 'answer'), 'utf8')).toBe('written\n');
    await runtime.removePod({ uid });
    expect(given).toContain(uid);
  });

  it('EventRecorder: hears what happened to the pod, with the object that it is about', async () => {
    const recorded: PodEvent[] = [];
    await startWith(({ rebind }) => {
      rebind(EventRecorder).toConstantValue({ record: (event) => recorded.push(event) });
    });

    const { uid } = await runtime.runPod(podOf('sleep 1000', {}, { imagePullPolicy: 'Always' }));
    await runtime.killPod({ uid }, { graceMs: 0 });
    await expect
      .poll(() => recorded.map(({ reason }) => reason), { timeout: 30_000 })
      .toEqual(['Pulling', 'Pulled', 'SandboxCreated', 'Created', 'Started', 'Killing', 'Exited']);
    expect(recorded.find(({ reason }) => reason === 'Started')).toMatchObject({
      type: 'Normal',
      object: { kind: 'Pod', name: 'rebind', uid, fieldPath: 'spec.containers{main}' },
    });
    await runtime.removePod({ uid });
    const absent = podOf('true', {}, { image: absentImage });
    await expect(runtime.runPod(absent)).rejects.toMatchObject({ kind: 'image-not-found' });
    expect(recorded.find(({ reason }) => reason === 'Failed')).toMatchObject({ type: 'Warning' });
  });

  it('ProbeResults: a container that runs is not ready as long as its probe fails', async () => {
    let readiness: 'success' | 'failure' = 'failure';
    const asked: string[] = [];
    await startWith(({ rebind }) => {
      rebind(ProbeResults).toConstantValue({
        readiness: (_uid, _name, id) => {
          asked.push(id);
          return readiness;
        },
        liveness: () => 'success',
        startup: () => 'success',
      });
    });

    const pod = podOf('sleep 1000');
    const { uid } = await runtime.runPod(pod);
    const conditionOf = async () => {
      const status = await runtime.getPodStatus({ uid });
      const { phase, conditions } = toApiPodStatus(pod, status);
      return [phase, conditions.find(({ type }) => type === 'Ready')?.status, status.containers[0]?.ready];
    };
    expect(await conditionOf()).toEqual(['Running', 'False', false]);
    readiness = 'success';
    expect(await conditionOf()).toEqual(['Running', 'True', true]);
    expect(asked[0]).toMatch(/^systemd:\/\//);
  });

  it('Logger: hears every command at debug level, without the values of variables and without passwords', async () => {
    const lines: { level: string; text: string }[] = [];
    const at = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
      void lines.push({ level, text: `${message} ${JSON.stringify(fields ?? {})}` });
    await startWith(({ rebind }) => {
      rebind(Logger).toConstantValue({
        debug: at('debug'),
        info: at('info'),
        warn: at('warn'),
        error: at('error'),
      });
    });

    const { username, password } = authRegistry;
    await lastValueFrom(runtime.pullImage(authRegistry.busybox, { auth: { username, password } }));
    const pod = podOf('echo "$TOKEN"', {}, { env: [{ name: 'TOKEN', value: 'hush-hush-7' }] });
    const { uid } = await runtime.runPod(pod);
    expect(await logOf(uid)).toEqual(['hush-hush-7']);
    expect(lines.some(({ level, text }) => level === 'debug' && text.includes('skopeo'))).toBe(true);
    expect(lines.some(({ level, text }) => level === 'info' && text.includes('Started'))).toBe(true);
    for (const { text } of lines) {
      expect(text).not.toContain('hush-hush-7');
      expect(text).not.toContain(password);
      expect(text).not.toContain(Buffer.from(`${username}:${password}`).toString('base64'));
    }
  });

  it('Clock: the pod is as old as that clock says, and is collected by it', async () => {
    const system = new SystemClock();
    const hourMs = 3_600_000;
    let aheadMs = 0;
    await startWith(({ rebind }) => {
      rebind(Clock).toConstantValue({
        nowMs: () => system.nowMs() + aheadMs,
        sleep: (delayMs, signal) => system.sleep(delayMs, signal),
      });
    });

    aheadMs = 10 * hourMs;
    const { uid } = await runtime.runPod(podOf('exit 7'));
    const { createdAtMs } = await runtime.getPodStatus({ uid });
    expect(createdAtMs).toBeGreaterThan(Date.now() + 9 * hourMs);

    await logOf(uid);
    const policy = { minAgeMs: hourMs / 2, maxPerPodContainer: 0, maxContainers: 0 };
    aheadMs = 0;
    expect((await runtime.garbageCollect(policy)).removed).toEqual([]);
    aheadMs = 11 * hourMs;
    expect((await runtime.garbageCollect(policy)).removed).not.toEqual([]);
    await expect(runtime.getPodStatus({ uid })).rejects.toMatchObject({ kind: 'not-found' });
  });
});
