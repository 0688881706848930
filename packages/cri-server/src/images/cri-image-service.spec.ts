import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Image, PodwrightError, SystemClock } from '@podwright/core';
import { cri } from '@podwright/cri-api';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MemoryPods } from '../stats/memory-pods.spec-helper.js';
import { CriImageService } from './cri-image-service.js';

const AUTH = { username: 'user', password: 'right' };

async function setUp(pullMs = 0) {
  const host = await MemoryPods.start({
    registry: {
      pullMs,
      images: [
        { reference: 'busybox', config: { Cmd: ['sh'], Labels: { a: 'b' } } },
        { reference: 'busybox:1.36', config: { Cmd: ['sh'], Labels: { a: 'b' } } },
        { reference: 'reg.example/named:1', config: { User: 'app:staff' } },
        { reference: 'reg.example/numbered:1', config: { User: '1002:1003' } },
        { reference: 'reg.example/private:1', auth: AUTH },
      ],
    },
  });
  onTestFinished(() => host[Symbol.asyncDispose]());
  const service = new CriImageService(host.images, new SystemClock());
  const context = { signal: new AbortController().signal };
  const list = async (image = '') =>
    (await service.listImages(create(cri.ListImagesRequestSchema, { filter: { image: { image } } }), context))
      .images;
  const pull = async (
    image: string,
    auth?: MessageInitShape<typeof cri.AuthConfigSchema>,
    signal = context.signal,
  ) =>
    (
      await service.pullImage(
        create(cri.PullImageRequestSchema, { image: { image }, ...(auth === undefined ? {} : { auth }) }),
        { signal },
      )
    ).imageRef;
  const status = async (image: string, verbose = false) =>
    await service.imageStatus(create(cri.ImageStatusRequestSchema, { image: { image }, verbose }), context);
  const remove = async (image: string) =>
    await service.removeImage(create(cri.RemoveImageRequestSchema, { image: { image } }), context);
  return { ...{ host, service, context, list, pull, status, remove } };
}

const refusal = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return PodwrightError.is(error) ? error.kind : error;
};

describe('a pull', () => {
  it.each(['busybox', 'busybox:latest', 'docker.io/library/busybox', 'busybox:1.36'])(
    'of %s answers the id that status and list have',
    async (name) => {
      const { list, pull, status } = await setUp();
      const ref = await pull(name);
      expect(ref).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect((await status(name)).image?.id).toBe(ref);
      expect(await list()).toMatchObject([{ id: ref }]);
    },
  );

  it('by digest has that digest as its only name', async () => {
    const { pull, remove, status } = await setUp();
    const [digest = ''] = (await status(await pull('busybox'))).image?.repoDigests ?? [];
    await remove('busybox');
    for (const name of [digest, digest.replace('@', ':any@')]) {
      const ref = await pull(name);
      expect((await status(name)).image).toMatchObject({ id: ref, repoTags: [], repoDigests: [digest] });
    }
  });

  it.each<[string, string, object | undefined, string | undefined]>([
    ['without credentials', 'reg.example/private:1', undefined, 'unauthorized'],
    ['with wrong ones', 'reg.example/private:1', { ...AUTH, password: 'wrong' }, 'unauthorized'],
    [
      'with those of another registry',
      'reg.example/private:1',
      { ...AUTH, serverAddress: 'x.example' },
      'unauthorized',
    ],
    ['with right ones', 'reg.example/private:1', AUTH, undefined],
    ['with right ones as auth', 'reg.example/private:1', { auth: btoa('user:right') }, undefined],
    ['of what is not there', 'reg.example/absent:1', undefined, 'image-not-found'],
    ['of a wrong name', 'Busybox', undefined, 'invalid-argument'],
    ['of no name', '', undefined, 'invalid-argument'],
  ])('%s', async (_, name, auth, kind) => {
    const { pull } = await setUp();
    expect(await refusal(pull(name, auth))).toBe(kind);
  });

  it('ends with its client', async () => {
    const { pull, list } = await setUp(60_000);
    const client = new AbortController();
    const pulling = refusal(pull('busybox', undefined, client.signal));
    client.abort();
    expect(await pulling).toBe('cancelled');
    expect(await refusal(pull('busybox', undefined, client.signal))).toBe('cancelled');
    expect(await list()).toEqual([]);
  });
});

describe('the list of images', () => {
  it('has an image of several names once', async () => {
    const { host, list, pull } = await setUp();
    await pull('busybox');
    await pull('busybox:1.36');
    const listed = await list();
    expect(listed).toHaveLength(1);
    expect(listed[0]?.repoTags).toEqual([
      'docker.io/library/busybox:1.36',
      'docker.io/library/busybox:latest',
    ]);
    expect(listed[0]?.id).toBe((await host.images.listImages())[0]?.id);
  });

  it('can be of one image, by any name, or of none', async () => {
    const { list, pull } = await setUp();
    const id = await pull('busybox');
    await pull('reg.example/named:1');
    expect(await list()).toHaveLength(2);
    for (const name of ['busybox', id, id.slice(7), id.slice(7, 20)])
      expect(await list(name)).toMatchObject([{ id }]);
    expect(await list('reg.example/absent:1')).toEqual([]);
  });

  it('is streamed too', async () => {
    const { pull, service, context } = await setUp();
    const names = async () => {
      const ids: string[] = [];
      for await (const { images } of service.streamImages(create(cri.StreamImagesRequestSchema), context))
        ids.push(...images.map(({ id }) => id));
      return ids;
    };
    expect(await names()).toEqual([]);
    const id = await pull('busybox');
    expect(await names()).toEqual([id]);
  });
});

describe('the status of an image', () => {
  it('is empty when it is not there', async () => {
    const { status } = await setUp();
    expect(await status('busybox')).toEqual({});
    expect(await status(`sha256:${'0'.repeat(64)}`, true)).toEqual({});
  });

  it.each([
    ['busybox', { uid: { value: 0n } }],
    ['reg.example/named:1', { username: 'app' }],
    ['reg.example/numbered:1', { uid: { value: 1002n } }],
  ])('of %s tells its user', async (name, user) => {
    const { pull, status } = await setUp();
    await pull(name);
    const { image } = await status(name);
    expect(image).toMatchObject(user);
    expect(Object.keys(image ?? {}).filter((key) => key === 'uid' || key === 'username')).toHaveLength(1);
  });

  it('is the same by each of its names, and has its configuration when asked', async () => {
    const { pull, status } = await setUp();
    const id = await pull('busybox');
    const { image } = await status('busybox');
    for (const name of [id, ...(image?.repoTags ?? []), ...(image?.repoDigests ?? [])])
      expect(await status(name)).toEqual({ image });
    const { info } = await status('busybox', true);
    expect(JSON.parse(info?.['info'] ?? '')).toMatchObject({
      labels: { a: 'b' },
      imageSpec: { config: { Cmd: ['sh'] } },
    });
  });

  it('of a damaged image is that of an absent one, so that it is pulled again; it can be removed', async () => {
    const { host, context } = await setUp();
    const removed: string[] = [];
    const damaged = new CriImageService(
      {
        imageStatus: async (): Promise<Image> => {
          throw new PodwrightError('corrupt-state', 'a layer is missing');
        },
        removeImage: async (name) => {
          removed.push(name);
        },
        listImages: () => host.images.listImages(),
        imageFsInfo: () => host.images.imageFsInfo(),
        pullImage: (name) => host.images.pullImage(name),
        loadImage: (path) => host.images.loadImage(path),
      },
      new SystemClock(),
    );
    const image = { image: 'x' };
    expect(await damaged.imageStatus(create(cri.ImageStatusRequestSchema, { image }), context)).toEqual({});
    await damaged.removeImage(create(cri.RemoveImageRequestSchema, { image }), context);
    expect(removed).toEqual(['x']);
  });
});

describe('removing an image', () => {
  it.each(['name', 'id', 'id without its algorithm', 'beginning of the id', 'digest'])(
    'by its %s takes all names, and is no error when it is gone',
    async (way) => {
      const { list, pull, remove, status } = await setUp();
      const id = await pull('busybox');
      await pull('busybox:1.36');
      const [digest = ''] = (await status(id)).image?.repoDigests ?? [];
      const names: Record<string, string> = { name: 'busybox', id, digest };
      const name = names[way] ?? (way.startsWith('beginning') ? id.slice(7, 20) : id.slice(7));
      await Promise.all([remove(name), remove(name), remove(name)]);
      expect(await list()).toEqual([]);
      await remove(name);
    },
  );

  it('that a container uses is refused', async () => {
    const { host, pull, remove } = await setUp();
    await pull('busybox');
    const sandboxId = await host.runtime.runPodSandbox({
      metadata: { name: 'p', namespace: 'n', uid: 'u', attempt: 0 },
      ...{ labels: {}, annotations: {}, network: 'pod', ipc: 'pod', pid: 'container', portMappings: [] },
    });
    const id = await host.create(sandboxId, 'main');
    expect(await refusal(remove('busybox'))).toBe('in-use');
    await host.runtime.removeContainer(id);
    await remove('busybox');
  });
});

describe('the file system of images', () => {
  it('grows with a pull', async () => {
    const { pull, service, context } = await setUp();
    const used = async () => {
      const { imageFilesystems = [] } = await service.imageFsInfo(
        create(cri.ImageFsInfoRequestSchema),
        context,
      );
      expect(imageFilesystems[0]?.timestamp).toBeGreaterThan(0n);
      return imageFilesystems[0]?.usedBytes?.value ?? 0n;
    };
    const before = await used();
    await pull('busybox');
    expect(await used()).toBeGreaterThan(before);
  });
});
