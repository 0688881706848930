import {
  Clock,
  type ContainerConfig,
  ImageService,
  PodwrightError,
  parsePod,
  RuntimeService,
  SystemClock,
  VolumeProvider,
} from '@podwright/core';
import { Container } from 'inversify';
import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { backendModule, memoryBackendModule } from './memory-backend-module.js';
import { MemoryHost } from './memory-host.js';
import type { MemoryOptions } from './memory-options.js';

async function agentOf(options: MemoryOptions, clock: Clock = new SystemClock()) {
  const di = new Container();
  di.bind(Clock).toConstantValue(clock);
  await di.load(memoryBackendModule(options));
  return { service: di.get(RuntimeService), images: di.get(ImageService), volumes: di.get(VolumeProvider) };
}

const SANDBOX = {
  metadata: { name: 'p', namespace: 'default', uid: 'u', attempt: 0 },
  labels: {},
  annotations: {},
  network: 'pod',
  ipc: 'pod',
  pid: 'container',
  portMappings: [],
} as const;

const config = (command: readonly string[], more: Partial<ContainerConfig> = {}): ContainerConfig => ({
  metadata: { name: 'c', attempt: 0 },
  image: 'app',
  command,
  env: [],
  mounts: [],
  devices: [],
  labels: {},
  annotations: {},
  resources: {},
  security: {},
  restart: { by: 'caller' },
  terminationGraceMs: 1000,
  ...more,
});

const REGISTRY = { images: [{ reference: 'app' }] };

async function started(
  options: MemoryOptions,
  command: readonly string[],
  more: Partial<ContainerConfig> = {},
) {
  const agent = await agentOf(options);
  await lastValueFrom(agent.images.pullImage('app'));
  await agent.service.start();
  const sandboxId = await agent.service.runPodSandbox(SANDBOX);
  const id = await agent.service.createContainer(sandboxId, config(command, more));
  await agent.service.startContainer(id);
  return { ...agent, sandboxId, id };
}

describe('memoryBackendModule', () => {
  it('runs programs of its caller', async () => {
    const programs = {
      greet: async ({ argv, stdout }: Parameters<NonNullable<MemoryOptions['programs']>[string]>[0]) => {
        await stdout.write(Buffer.from(`hello ${argv[1]}\n`));
        return 3;
      },
    };
    const { service, id } = await started({ registry: REGISTRY, programs }, ['greet', 'you']);
    const lines: string[] = [];
    for await (const { line } of service.containerLogs(id, { follow: true })) lines.push(line.toString());
    expect(lines).toEqual(['hello you']);
    expect((await service.containerStatus(id)).attempts[0]?.exitCode).toBe(3);
    await service[Symbol.asyncDispose]();
  });

  it('says a crash of a program on its standard error and ends it with 1', async () => {
    const programs = { crash: async () => Promise.reject(new Error('broken')) };
    const { service, id } = await started({ registry: REGISTRY, programs }, ['crash']);
    const lines: string[] = [];
    for await (const { line, stream } of service.containerLogs(id, { follow: true }))
      lines.push(`${stream} ${line}`);
    expect(lines).toEqual(['stderr Error: broken']);
    expect((await service.containerStatus(id)).attempts[0]?.exitCode).toBe(1);
    await service[Symbol.asyncDispose]();
  });

  it('switches its own machine off with the runtime, and leaves one that was given', async () => {
    const own = await started({ registry: REGISTRY }, ['sleep', '1000']);
    const ownLog = own.service.containerLogs(own.id, { follow: true });
    const ended = (async () => {
      for await (const _ of ownLog);
    })();
    await own.service[Symbol.asyncDispose]();
    await ended;

    const host = new MemoryHost({ registry: REGISTRY });
    const first = await started({ host }, ['sleep', '1000']);
    await first.service[Symbol.asyncDispose]();
    const { service } = await agentOf({ host });
    expect((await service.containerStatus(first.id)).state).toBe('running');
    host.powerOff();
  });

  it('restarts by the clock that is bound', async () => {
    const waits: { readonly delayMs: number; readonly goOn: () => void }[] = [];
    let nowMs = 0;
    const clock: Clock = {
      nowMs: () => nowMs,
      sleep: (delayMs) => new Promise((goOn) => waits.push({ delayMs, goOn })),
    };
    const agent = await agentOf({ registry: REGISTRY }, clock);
    await lastValueFrom(agent.images.pullImage('app'));
    const sandboxId = await agent.service.runPodSandbox(SANDBOX);
    const id = await agent.service.createContainer(
      sandboxId,
      config(['false'], { restart: { by: 'backend', policy: 'Always' } }),
    );
    await agent.service.startContainer(id);
    const delays: number[] = [];
    while (delays.length < 4) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const { delayMs, goOn } of waits.splice(0)) {
        const status = await agent.service.containerStatus(id);
        expect(status).toMatchObject({ state: 'waiting', nextStartAtMs: nowMs + delayMs });
        delays.push(delayMs);
        nowMs += delayMs;
        goOn();
      }
    }
    expect(delays).toEqual([0, 10_000, 20_000, 40_000]);
  });

  it('refuses what it cannot show', async () => {
    const { service, sandboxId } = await started({ registry: REGISTRY }, ['sleep', '1000']);
    const refused = async (more: Partial<ContainerConfig>) => {
      const metadata = { name: 'other', attempt: 0 };
      const making = service.createContainer(sandboxId, config(['true'], { metadata, ...more }));
      return making.then(
        () => 'made',
        (error: unknown) => PodwrightError.is(error) && error.kind,
      );
    };
    const device = { hostPath: '/dev/x', containerPath: '/dev/x', permissions: 'rw' };
    const mount = { hostPath: '/tmp', containerPath: '/m', propagation: 'bidirectional' } as const;
    expect(await refused({ devices: [device] })).toBe('unsupported');
    expect(await refused({ mounts: [mount] })).toBe('unsupported');
    expect(await refused({ mounts: [{ hostPath: 'x', containerPath: '/m' }] })).toBe('invalid-argument');
    const recursive = { hostPath: '/tmp', containerPath: '/m', recursiveReadOnly: true };
    expect(await refused({ mounts: [recursive] })).toBe('invalid-argument');
    expect(await refused({ stopSignal: 'SIGNOPE' })).toBe('invalid-argument');
    await expect(
      service.runPodSandbox({ ...SANDBOX, metadata: { ...SANDBOX.metadata, uid: 'v' }, pid: 'node' }),
    ).rejects.toThrow('does not simulate');
    await service[Symbol.asyncDispose]();
  });
});

describe('backendModule', () => {
  const load = (options: Readonly<Record<string, unknown>>) =>
    backendModule({ stateDir: '/s', runDir: '/r', configDir: '/c', options });

  it.each<[Readonly<Record<string, unknown>>, string]>([
    [{ registy: {} }, 'registy'],
    [{ registry: 5 }, 'registry.images'],
    [{ registry: { images: [{}] } }, 'registry.images[0].reference'],
    [{ restartBackoff: { initialMs: 'x' } }, 'restartBackoff'],
    [{ imageCapacityBytes: -1 }, 'imageCapacityBytes'],
    [{ host: new MemoryHost(), registry: {} }, 'registry'],
  ])('refuses %o', (options, name) => {
    expect(() => load(options)).toThrow(`"${name}"`);
  });

  it('takes no options', () => {
    expect(() => load({})).not.toThrow();
  });
});

describe('MemoryImageService', () => {
  it('tells the steps of a pull, and none after it was given up', async () => {
    const { images, service } = await agentOf({ registry: { ...REGISTRY, pullMs: 5 } });
    const seen: string[] = [];
    const subscription = images.pullImage('app').subscribe(({ type }) => seen.push(type));
    subscription.unsubscribe();
    const events = await lastValueFrom(images.pullImage('app').pipe(toArray()));
    expect(events.map((event) => (event.type === 'layer' ? event.state : event.type))).toEqual([
      'resolving',
      'downloading',
      'done',
      'storing',
      'done',
    ]);
    expect(seen).toEqual(['resolving']);
    await service[Symbol.asyncDispose]();
  });
});

describe('MemoryVolumeProvider', () => {
  const pod = (volumes: readonly unknown[]) =>
    parsePod({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', uid: 'u' },
      spec: { containers: [{ name: 'c', image: 'app' }], volumes },
    });

  it.each([
    ['', '/there', true],
    ['', '/missing', false],
    ['Directory', '/there', true],
    ['Directory', '/file', false],
    ['File', '/file', true],
    ['DirectoryOrCreate', '/made', true],
    ['DirectoryOrCreate', '/file', false],
    ['FileOrCreate', '/made/file', true],
  ])('a hostPath of type %j at %s: %s', async (type, path, fine) => {
    const host = new MemoryHost();
    host.files.makeDirectory('/there');
    host.files.writeFile('/file', 'x');
    const { volumes } = await agentOf({ host });
    const paths = volumes.setUp(pod([{ name: 'v', hostPath: { path, type } }]));
    if (fine) {
      expect((await paths).get('v')).toBe(path);
      expect(host.files.find(path)).toBeDefined();
    } else await expect(paths).rejects.toThrow(path);
  });

  it('makes nothing when one volume cannot be made, and removes only what it made', async () => {
    const host = new MemoryHost();
    host.files.writeFile('/data/keep', 'x');
    const { volumes } = await agentOf({ host });
    const emptyDir = { name: 'e', emptyDir: {} };
    await expect(
      volumes.setUp(pod([emptyDir, { name: 'v', hostPath: { path: '/missing', type: 'File' } }])),
    ).rejects.toThrow('/missing');
    expect(host.files.find('/var/lib/podwright')).toBeUndefined();
    const paths = await volumes.setUp(pod([emptyDir, { name: 'v', hostPath: { path: '/data' } }]));
    const path = paths.get('e') ?? '';
    expect(host.files.find(path)?.kind).toBe('directory');
    expect(await volumes.setUp(pod([emptyDir]))).toEqual(new Map([['e', path]]));
    await volumes.tearDown('u');
    await volumes.tearDown('u');
    expect(host.files.find(path)).toBeUndefined();
    expect(host.files.readFile('/data/keep').toString()).toBe('x');
  });
});
