import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryHost, memoryBackendModule } from '@podwright/backend-memory';
import {
  type ConformanceImageNames,
  type ConformanceTarget,
  conformanceImages,
  defineConformance,
} from '@podwright/conformance';
import {
  Clock,
  ContainerRuntime,
  ImageService,
  Logger,
  RuntimeService,
  SystemClock,
  silentLogger,
  VolumeProvider,
} from '@podwright/core';
import { Container } from 'inversify';
import { createContainer } from 'podwright';
import { type FarServices, serveBackend } from 'podwright-backend-remote';

const AUTH = { username: 'podwright', password: 's3cret pass' };
const image = (name: string) => `registry.test:5000/podwright/${name}:1`;
const names = ['busybox', 'args', 'env', 'nonroot', 'signal', 'noCommand', 'workdir', 'spare'] as const;

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

/** The far side: a machine of the memory backend, which outlives the agents. */
async function startFarSide(host: MemoryHost): Promise<FarServices> {
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(Clock).toConstantValue(new SystemClock());
  container.load(memoryBackendModule({ host }));
  const runtime = container.get(RuntimeService);
  await runtime.start();
  return { runtime, images: container.get(ImageService), volumes: container.get(VolumeProvider) };
}

async function createTarget(): Promise<ConformanceTarget> {
  const host = new MemoryHost({
    registry: {
      images: [
        ...names.map((name) => ({ reference: images[name], ...conformanceImages[name] })),
        { reference: images.denied.reference, auth: AUTH, ...conformanceImages.busybox },
      ],
    },
    restartBackoff: { initialMs: 50, maxMs: 200 },
  });
  for (const format of ['docker', 'oci'] as const) {
    host.saveImage(images.busybox, images.archives[format], [images.archives.reference], format);
  }
  const folder = await mkdtemp(join(tmpdir(), 'podwright-remote-'));
  const services = await startFarSide(host);
  const server = await serveBackend(services, join(folder, 'far.sock'));
  return startAgent(folder, host, async () => {
    await server[Symbol.asyncDispose]();
    await services.runtime[Symbol.asyncDispose]();
    host.powerOff();
    await rm(folder, { recursive: true, force: true });
  });
}

/** The near side: an agent with the backend that is tested, loaded by its package name. */
async function startAgent(
  folder: string,
  host: MemoryHost,
  endFarSide: () => Promise<void>,
): Promise<ConformanceTarget> {
  const container = await createContainer(
    {
      backend: 'podwright-backend-remote',
      stateDir: join(folder, 'state'),
      backendOptions: { socket: join(folder, 'far.sock') },
    },
    { resolveFrom: import.meta.url },
  );
  const runtime = container.get(ContainerRuntime);
  await runtime.start();
  return {
    runtime,
    runtimeService: container.get(RuntimeService),
    imageService: container.get(ImageService),
    images,
    patienceMs: 10_000,
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
      return startAgent(folder, host, endFarSide);
    },
    [Symbol.asyncDispose]: async () => {
      await runtime[Symbol.asyncDispose]();
      await endFarSide();
    },
  };
}

defineConformance({
  name: 'remote',
  createTarget,
  lacks: {
    kernel: 'the machine on its far side is simulated here and has no processes of a kernel',
    userNamespaces: 'the machine on its far side has no users but those of its images',
  },
  caseTimeoutMs: 30_000,
});
