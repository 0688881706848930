import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryHost, memoryBackendModule } from '@podwright/backend-memory';
import {
  type ConformanceImageNames,
  type ConformanceTarget,
  type ConformanceTargetOptions,
  conformanceImages,
} from '@podwright/conformance';
import {
  Clock,
  ContainerRuntime,
  ImageService,
  Logger,
  RuntimeService,
  SystemClock,
  silentLogger,
} from '@podwright/core';
import { podsModule } from '@podwright/pods';
import { Container } from 'inversify';

const AUTH = { username: 'podwright', password: 's3cret pass' };
const REGISTRY = 'registry.test:5000';
const image = (name: string) => `${REGISTRY}/podwright/${name}:1`;

const images: ConformanceImageNames = {
  busybox: image('busybox'),
  args: image('args'),
  env: image('env'),
  nonroot: image('nonroot'),
  signal: image('signal'),
  noCommand: image('no-command'),
  workdir: image('workdir'),
  spare: image('spare'),
  absent: image('absent'),
  unreachable: 'nobody.test:5009/podwright/busybox:1',
  denied: { reference: 'locked.test:5001/podwright/busybox:1', auth: AUTH },
  archives: {
    docker: '/tmp/busybox.tar',
    oci: '/tmp/busybox-oci.tar',
    reference: 'localhost/podwright/busybox:archived',
  },
};

/** What a test puts in place of the services, to see that the suite notices. */
export interface Wrappers {
  readonly service?: (service: RuntimeService) => RuntimeService;
  readonly images?: (service: ImageService) => ImageService;
  readonly runtime?: (runtime: ContainerRuntime) => ContainerRuntime;
}

/** The memory backend as a target of the conformance suite. */
export async function createMemoryTarget(
  wrappers: Wrappers = {},
  patienceMs = 15_000,
  options: ConformanceTargetOptions = {},
): Promise<ConformanceTarget> {
  const named = (
    ['busybox', 'args', 'env', 'nonroot', 'signal', 'noCommand', 'workdir', 'spare'] as const
  ).map((name) => ({
    reference: images[name],
    ...conformanceImages[name],
  }));
  const denied = { reference: images.denied.reference, auth: AUTH, ...conformanceImages.busybox };
  const host = new MemoryHost({
    registry: { images: [...named, denied] },
    restartBackoff: { initialMs: 50, maxMs: 200 },
  });
  for (const format of ['docker', 'oci'] as const) {
    host.saveImage(images.busybox, images.archives[format], [images.archives.reference], format);
  }
  const stateDir = await mkdtemp(join(tmpdir(), 'podwright-conformance-'));
  return startAgent(host, stateDir, wrappers, patienceMs, options);
}

async function startAgent(
  host: MemoryHost,
  stateDir: string,
  wrappers: Wrappers,
  patienceMs: number,
  options: ConformanceTargetOptions,
): Promise<ConformanceTarget> {
  const supervisedRestart = options.restartsBy !== 'caller';
  const container = new Container({ defaultScope: 'Singleton' });
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(Clock).toConstantValue(new SystemClock());
  await container.load(podsModule({ stateDir }), memoryBackendModule({ host, supervisedRestart }));
  container.onActivation(RuntimeService, (_context, service) => wrappers.service?.(service) ?? service);
  container.onActivation(ImageService, (_context, service) => wrappers.images?.(service) ?? service);
  container.onActivation(ContainerRuntime, (_context, runtime) => wrappers.runtime?.(runtime) ?? runtime);
  const runtime = container.get(ContainerRuntime);
  await runtime.start();
  return {
    runtime,
    runtimeService: container.get(RuntimeService),
    imageService: container.get(ImageService),
    images,
    patienceMs,
    host: {
      makeDirectory: async () => {
        const path = `/tmp/${randomUUID()}`;
        host.files.makeDirectory(path);
        return path;
      },
      writeFile: async (path, text) => host.files.writeFile(path, text),
      readFile: async (path) => (host.files.find(path) ? host.files.readFile(path).toString() : undefined),
      rename: async (from, to) => host.files.rename(from, to),
      connect: async (port) => host.connect(port),
    },
    plantOrphan: async () => {
      const address = host.plantOrphan();
      return async () => host.hasLease(address);
    },
    restartAgent: async () => {
      await runtime[Symbol.asyncDispose]();
      return startAgent(host, stateDir, wrappers, patienceMs, options);
    },
    [Symbol.asyncDispose]: async () => {
      await runtime[Symbol.asyncDispose]();
      host.powerOff();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
