import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { MemoryHost, memoryBackendModule } from '@podwright/backend-memory';
import {
  Clock,
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
import { firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
let far: FarServices;
let near: Container;

const sandboxOf = (name: string) => ({
  metadata: { name, namespace: 'default', uid: name, attempt: 0 },
  labels: {},
  annotations: {},
  network: 'pod' as const,
  ipc: 'pod' as const,
  pid: 'container' as const,
  portMappings: [],
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podwright-far-'));
  const container = new Container();
  container.bind(Logger).toConstantValue(silentLogger);
  container.bind(Clock).toConstantValue(new SystemClock());
  container.load(memoryBackendModule({ host: new MemoryHost() }));
  far = {
    runtime: container.get(RuntimeService),
    images: container.get(ImageService),
    volumes: container.get(VolumeProvider),
  };
  await far.runtime.start();
  near = await createNear({ socket: join(folder, 'far.sock') });
});

afterEach(async () => {
  await near.get(RuntimeService)[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function createNear(backendOptions: Record<string, unknown>): Promise<Container> {
  return createContainer(
    { backend: 'podwright-backend-remote', stateDir: join(folder, 'state'), backendOptions },
    { resolveFrom: import.meta.url },
  );
}

describe('a far side', () => {
  it('that is not there is an error of kind unavailable that names the socket', async () => {
    await expect(near.get(RuntimeService).start()).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining(join(folder, 'far.sock')),
    });
  });

  it('that goes away in the middle of a call breaks it off, and when it is back events go on', async () => {
    let server = await serveBackend(far, join(folder, 'far.sock'));
    const service = near.get(RuntimeService);
    await service.start();
    const logs = service.containerLogs('none')[Symbol.asyncIterator]();
    await expect(logs.next()).rejects.toMatchObject({ kind: 'not-found' });
    await server[Symbol.asyncDispose]();
    await expect(service.listPodSandboxes()).rejects.toMatchObject({ kind: 'unavailable' });

    server = await serveBackend(far, join(folder, 'far.sock'));
    const event = firstValueFrom(service.events);
    const made = setInterval(() => void far.runtime.runPodSandbox(sandboxOf(`p${Math.random()}`)), 100);
    expect(await event).toMatchObject({ type: 'sandbox-created' });
    clearInterval(made);
    await server[Symbol.asyncDispose]();
  });

  it('may end its half of a forwarded port first, and still hears the rest', async () => {
    const heard = new PassThrough();
    const talker = Duplex.from({ readable: new PassThrough().end('done'), writable: heard });
    const runtime = { ...far.runtime, features: far.runtime.features, portForward: async () => talker };
    const server = await serveBackend(
      { ...far, runtime: runtime as RuntimeService },
      join(folder, 'far.sock'),
    );
    const connection = await near.get(RuntimeService).portForward('any', 80);
    const chunks: Buffer[] = [];
    connection.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(connection, 'end');
    expect(String(Buffer.concat(chunks))).toBe('done');
    connection.end('the rest');
    expect(await text(heard)).toBe('the rest');
    await server[Symbol.asyncDispose]();
  });

  it('answers only what belongs to a backend', async () => {
    const server = await serveBackend(far, join(folder, 'far.sock'));
    const host: { call(...args: unknown[]): Promise<unknown> } = Reflect.get(near.get(ImageService), 'host');
    await expect(host.call('runtime', 'constructor')).rejects.toThrow('There is no runtime.constructor here');
    await server[Symbol.asyncDispose]();
  });

  it('cannot be where another one listens', async () => {
    const other = createServer().listen(join(folder, 'far.sock'));
    await expect(serveBackend(far, join(folder, 'far.sock'))).rejects.toMatchObject({ code: 'EADDRINUSE' });
    other.close();
  });
});

describe('options', () => {
  it.each([[{}], [{ socket: 7 }], [{ socket: '/x', sokcet: '/y' }]])('%j are refused', async (options) => {
    await expect(createNear(options)).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});
