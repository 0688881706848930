import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { PodwrightError } from '@podwright/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addService,
  createServer,
  cri,
  errorOfStatus,
  openChannel,
  type RpcChannel,
  type RpcHandlers,
} from './index.js';

const WAIT = { timeout: 10_000 };

type ImageHandlers = RpcHandlers<typeof cri.ImageService>;

const unused = () => Promise.reject(new Error('not used here'));

async function* noImages() {}

function handlers(overrides: Partial<ImageHandlers>): ImageHandlers {
  return {
    listImages: unused,
    streamImages: noImages,
    imageStatus: unused,
    pullImage: unused,
    removeImage: unused,
    imageFsInfo: unused,
    ...overrides,
  };
}

describe('a service over a unix socket', () => {
  let directory: string;
  let server: Server;
  let channel: RpcChannel;

  async function serve(overrides: Partial<ImageHandlers>) {
    addService(server, cri.ImageService, handlers(overrides));
    const address = `unix://${join(directory, 'cri.sock')}`;
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    channel = openChannel(address);
    return channel.service(cri.ImageService);
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'cri-api-'));
    server = createServer();
  });

  afterEach(async () => {
    channel.close();
    server.forceShutdown();
    await rm(directory, { recursive: true });
  });

  it('carries a request and its response', async () => {
    const client = await serve({
      pullImage: async ({ image, auth }) => ({ imageRef: `${image?.image} by ${auth?.username}` }),
    });
    const response = await client.pullImage({ image: { image: 'busybox' }, auth: { username: 'ann' } });
    expect(response.imageRef).toBe('busybox by ann');
  });

  it('streams responses', async () => {
    const client = await serve({
      async *streamImages() {
        for (let index = 0; index < 300; index++)
          yield { images: [{ id: `${index}`, size: 12_345_678_901n, repoTags: ['x'.repeat(10_000)] }] };
      },
    });
    const ids: string[] = [];
    for await (const { images } of client.streamImages()) ids.push(images[0]?.id ?? '');
    expect(ids).toEqual(Array.from({ length: 300 }, (_, index) => `${index}`));
  });

  it('ends the handler of a stream whose client leaves', async () => {
    let signal: AbortSignal | undefined;
    const client = await serve({
      async *streamImages(_request, context) {
        signal = context.signal;
        yield { images: [] };
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
      },
    });
    for await (const _ of client.streamImages()) break;
    await expect.poll(() => signal?.aborted, WAIT).toBe(true);
  });

  it('ends a stream with the error of its handler', async () => {
    const client = await serve({
      // biome-ignore lint/correctness/useYield: it fails before the first
      async *streamImages() {
        throw new PodwrightError('unsupported', 'no list of images here');
      },
    });
    const read = async () => {
      for await (const _ of client.streamImages()) throw new Error('nothing was expected');
    };
    const error = errorOfStatus(await read().catch((thrown: unknown) => thrown), 'the list of images');
    expect(error).toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('no list of images here'),
    });
  });

  it.each(['port-in-use', 'image-not-found', 'timeout', 'internal', 'container-start-failed'] as const)(
    'keeps the kind %s of an error',
    async (kind) => {
      const client = await serve({
        imageFsInfo: () => Promise.reject(new PodwrightError(kind, 'it went wrong')),
      });
      const thrown = await client.imageFsInfo().catch((error: unknown) => error);
      expect(errorOfStatus(thrown, 'the call failed')).toMatchObject({
        kind,
        message: 'the call failed: it went wrong',
      });
    },
  );

  it.each([
    ['is long', 'x'.repeat(200_000)],
    ['is long in other letters', '\u{1F433}'.repeat(100_000)],
    ['is cut in the middle of a letter', '\u{1F433}'.slice(0, 1)],
  ])('answers with an error whose message %s', async (_what, message) => {
    const client = await serve({
      pullImage: () => Promise.reject(new PodwrightError('not-found', `why ${message} what to do`)),
    });
    const thrown = await client.pullImage({}, { timeoutMs: 15_000 }).catch((error: unknown) => error);
    const { kind, message: told } = errorOfStatus(thrown, 'x');
    expect([kind, told.startsWith('x: why '), told.endsWith(' what to do')]).toEqual([
      'not-found',
      true,
      true,
    ]);
  });

  it('tells the handler when the client cancels, and when its time is over', async () => {
    const signals: AbortSignal[] = [];
    const client = await serve({
      imageFsInfo: (_request, { signal }) => {
        signals.push(signal);
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('cancelled'))),
        );
      },
    });
    const aborted = () => signals.map((signal) => signal.aborted);
    // A call whose time is over before there is a connection never comes to the handler.
    await channel.waitForReady(10_000);
    const timedOut = await client.imageFsInfo({}, { timeoutMs: 500 }).catch((error: unknown) => error);
    expect(errorOfStatus(timedOut, 'x').kind).toBe('timeout');
    await expect.poll(aborted, WAIT).toEqual([true]);
    const controller = new AbortController();
    const cancelled = client.imageFsInfo({}, { signal: controller.signal }).catch((error: unknown) => error);
    await expect.poll(aborted, WAIT).toEqual([true, false]);
    controller.abort();
    expect(errorOfStatus(await cancelled, 'x').kind).toBe('cancelled');
    await expect.poll(aborted, WAIT).toEqual([true, true]);
  });

  it('carries messages beyond the default limit of 4 MiB', async () => {
    const client = await serve({ pullImage: async ({ image }) => ({ imageRef: image?.image ?? '' }) });
    const long = 'x'.repeat(8 * 1024 * 1024);
    expect((await client.pullImage({ image: { image: long } })).imageRef).toHaveLength(long.length);
  });
});
