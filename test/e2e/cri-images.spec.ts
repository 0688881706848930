// Images over a CRI socket, as kubelets, `crictl pull`, `images`, `inspecti`, `rmi` and `imagefsinfo` ask for them.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { status } from '@grpc/grpc-js';
import type { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { absentImage, authRegistry, deadRegistry, testImages } from '../host/images.js';
import { CriBed, expectRefusal } from './support/cri-bed.js';
import { itBeyondContainerd16 } from './support/cri-target.js';
import { pushList, pushVariant, variantName } from './support/registry-client.js';

let bed: CriBed;
/** Of an image with the tags `latest`, `cri-a`, `cri-b` and `cri-c`. */
let digest: string;

beforeAll(async () => {
  digest = await pushVariant(['latest', 'cri-a', 'cri-b', 'cri-c'], { Labels: { cri: 'tags' } });
  bed = await CriBed.start();
});

beforeEach(async () => {
  for (const { id } of await list()) await remove(id);
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

const REPOSITORY = variantName('x').replace(/:x$/, '');

type Auth = Partial<Omit<cri.AuthConfig, '$typeName' | '$unknown'>>;

const pull = async (image: string, auth?: Auth) =>
  (await bed.images.pullImage({ image: { image }, ...(auth === undefined ? {} : { auth }) })).imageRef;
const statusOf = async (image: string) => (await bed.images.imageStatus({ image: { image } })).image;
const list = async () => (await bed.images.listImages()).images;
const remove = (image: string) => bed.images.removeImage({ image: { image } });

describe('a pull', () => {
  it.each<[string, () => string, () => readonly string[]]>([
    ['by tag', () => variantName('cri-a'), () => [variantName('cri-a')]],
    ['without a tag', () => REPOSITORY, () => [variantName('latest')]],
    ['by digest', () => `${REPOSITORY}@${digest}`, () => []],
    ['by tag and digest', () => `${REPOSITORY}:cri-a@${digest}`, () => []],
  ])('%s answers the id of an image that is there until it is removed', async (_, name, tags) => {
    const id = await pull(name());
    const image = await statusOf(name());
    expect(image).toMatchObject({ id, repoTags: tags(), repoDigests: [`${REPOSITORY}@${digest}`] });
    expect(image?.size).toBeGreaterThan(0n);
    expect((await list()).filter((one) => one.id === id)).toEqual([image]);
    await remove(id);
    expect(await statusOf(name())).toBeUndefined();
    expect(await statusOf(id)).toBeUndefined();
    expect((await list()).map((one) => one.id)).not.toContain(id);
  });

  it('by the digest of a list is called by it', async () => {
    const listDigest = await pushList('cri-list', digest);
    const id = await pull(`${REPOSITORY}@${listDigest}`);
    expect(await statusOf(`${REPOSITORY}@${listDigest}`)).toMatchObject({
      id,
      repoTags: [],
      repoDigests: [`${REPOSITORY}@${listDigest}`],
    });
    expect(await pull(variantName('cri-a'))).toBe(id);
  });

  const { username, password } = authRegistry;
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  it.each([
    ['a user and a password', { username, password }],
    ['both in base64', { auth }],
    ['the address of the registry', { username, password, serverAddress: `http://${authRegistry.address}` }],
  ])('with credentials: %s', async (_, credentials) => {
    const id = await pull(authRegistry.busybox, credentials);
    expect((await statusOf(authRegistry.busybox))?.id).toBe(id);
  });

  itBeyondContainerd16.each([
    ['without credentials', undefined, status.PERMISSION_DENIED, /authentication required/],
    [
      'with a wrong password',
      { username, password: 'wrong' },
      status.PERMISSION_DENIED,
      /authentication required/,
    ],
    ['with an identity token', { identityToken: 'secret' }, status.UNIMPLEMENTED, /identity_token/],
    ['with a registry token', { registryToken: 'secret' }, status.UNIMPLEMENTED, /registry_token/],
    ['with what is no auth', { auth: 'x' }, status.INVALID_ARGUMENT, /USER:PASSWORD/],
  ])('of a guarded image %s is refused', async (_, credentials, code, message) => {
    const said = await expectRefusal(pull(authRegistry.busybox, credentials), code);
    expect(said).toMatch(message);
    expect(said).not.toMatch(/secret|wrong/);
    expect(await statusOf(authRegistry.busybox)).toBeUndefined();
  });

  it.each([
    ['of an absent repository', absentImage, [status.NOT_FOUND]],
    ['of an absent tag', variantName('cri-absent'), [status.NOT_FOUND]],
    ['of an absent digest', `${REPOSITORY}@sha256:${'0'.repeat(64)}`, [status.NOT_FOUND]],
    ['of a registry that is away', `${deadRegistry}/x:1`, [status.UNAVAILABLE, status.UNKNOWN]],
    ['of a name that is none', `${REPOSITORY}:?`, [status.INVALID_ARGUMENT, status.UNKNOWN]],
    ['of no name', '', [status.INVALID_ARGUMENT, status.UNKNOWN]],
  ])('%s says so', async (_, name, codes) => {
    await expectRefusal(pull(name), ...codes);
  });

  itBeyondContainerd16('of a public name comes from where registries.conf has it mirrored', async () => {
    const path = '/etc/containers/registries.conf.d/podwright-test.conf';
    onTestFinished(() => rmSync(path, { force: true }));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(
      path,
      `[[registry]]\nprefix = "gcr.io/cri-test"\nlocation = "${REPOSITORY.replace(/\/busybox$/, '')}"\ninsecure = true\n`,
    );
    const id = await pull('gcr.io/cri-test/busybox');
    expect(await statusOf('gcr.io/cri-test/busybox')).toMatchObject({
      id,
      repoTags: ['gcr.io/cri-test/busybox:latest'],
      repoDigests: [`gcr.io/cri-test/busybox@${digest}`],
    });
    await remove(id);
    await pull(`gcr.io/cri-test/busybox@${digest}`);
    expect((await list()).map(({ repoTags, repoDigests }) => [repoTags, repoDigests])).toEqual([
      [[], [`gcr.io/cri-test/busybox@${digest}`]],
    ]);
  });

  it('ends with the time of its client, and can be done again', async () => {
    const image = { image: variantName('cri-a') };
    await expectRefusal(bed.images.pullImage({ image }, { timeoutMs: 1 }), status.DEADLINE_EXCEEDED);
    const id = await pull(image.image);
    expect((await statusOf(image.image))?.id).toBe(id);
  });
});

describe('the status of an image', () => {
  it('is the same by each of its names and ids, and is in the filtered list', async () => {
    const id = await pull(variantName('cri-a'));
    const image = await statusOf(id);
    const names = [...(image?.repoTags ?? []), ...(image?.repoDigests ?? [])];
    expect(names).toHaveLength(2);
    const hex = id.replace('sha256:', '');
    for (const name of [...names, hex, hex.slice(0, 13)]) expect(await statusOf(name)).toEqual(image);
    expect((await bed.images.listImages({ filter: { image: { image: id } } })).images).toContainEqual(image);
  });

  it('is empty, and no error, when there is none', async () => {
    const names = [absentImage, `${REPOSITORY}@sha256:${'0'.repeat(64)}`, `sha256:${'0'.repeat(64)}`];
    for (const image of names) {
      const { info, ...answer } = await bed.images.imageStatus({ image: { image }, verbose: true });
      expect([answer.image, info]).toEqual([undefined, {}]);
    }
  });

  it.each([
    ['1002', 1002n, ''],
    ['www-data', undefined, 'www-data'],
    ['1003:1004', 1003n, ''],
    ['www-data:100', undefined, 'www-data'],
  ])('tells the user of an image that has "%s"', async (user, uid, username) => {
    const tag = `cri-user-${user.replaceAll(/\W/g, '-')}-`;
    await pushVariant([tag], { User: user });
    await pull(variantName(tag));
    const image = await statusOf(variantName(tag));
    expect({ uid: image?.uid?.value, username: image?.username }).toEqual({ uid, username });
  });

  itBeyondContainerd16('has the user root where the image names nobody', async () => {
    await pull(variantName('cri-a'));
    expect(await statusOf(variantName('cri-a'))).toMatchObject({ uid: { value: 0n }, username: '' });
  });

  it('has the configuration when it is asked for', async () => {
    const image = { image: variantName('cri-a') };
    await pull(image.image);
    const { info } = await bed.images.imageStatus({ image, verbose: true });
    expect(JSON.parse(info['info'] ?? '')).toMatchObject({
      imageSpec: { os: 'linux', config: { Labels: { cri: 'tags' } } },
    });
  });
});

describe('the list of images', () => {
  it('has three images of one tag each', async () => {
    const tags = ['cri-1', 'cri-2', 'cri-3'];
    for (const tag of tags) await pushVariant([tag], { Labels: { cri: tag } });
    const ids: string[] = [];
    for (const tag of tags) ids.push(await pull(variantName(tag)));
    expect(new Set(ids).size).toBe(3);
    const images = await list();
    expect(images).toHaveLength(3);
    expect(ids.map((id) => images.find((image) => image.id === id)?.repoTags)).toEqual(
      tags.map((tag) => [variantName(tag)]),
    );
  });

  it('has an image of three tags once', async () => {
    const names = ['cri-a', 'cri-b', 'cri-c'].map(variantName);
    const ids = new Set<string>();
    for (const name of names) ids.add(await pull(name));
    expect(ids.size).toBe(1);
    const found = (await list()).filter(({ id }) => ids.has(id));
    expect(found.map(({ repoTags }) => [...repoTags].sort())).toEqual([names]);
    expect(found[0]?.repoDigests).toEqual([`${REPOSITORY}@${digest}`]);
  });

  itBeyondContainerd16('is streamed, and filtered by a name', async () => {
    await pull(variantName('cri-a'));
    const streamed: unknown[] = [];
    for await (const { images } of bed.images.streamImages()) streamed.push(...images);
    expect(streamed).toEqual(await list());
    const image = { image: variantName('cri-a') };
    const { images } = await bed.images.listImages({ filter: { image } });
    expect(images.map(({ repoTags }) => repoTags)).toEqual([[image.image]]);
    expect((await bed.images.listImages({ filter: { image: { image: absentImage } } })).images).toEqual([]);
  });
});

describe('removing an image', () => {
  it.each(['id', 'tag', 'digest'])(
    'by its %s takes all its tags, at once and for several callers',
    async (way) => {
      const names = ['cri-a', 'cri-b', 'cri-c'].map(variantName);
      for (const name of names) await pull(name);
      const image = await statusOf(names[0] ?? '');
      const [name = ''] = { id: [image?.id], tag: names, digest: image?.repoDigests ?? [] }[way] ?? [];
      await Promise.all(
        Array.from({ length: 5 }, async () => {
          await remove(name);
          expect(await statusOf(image?.id ?? '')).toBeUndefined();
        }),
      );
      expect(await list()).toEqual([]);
      await remove(name);
    },
  );

  it('that was never there is no error', async () => {
    for (const name of [absentImage, `sha256:${'0'.repeat(64)}`, '0'.repeat(64)]) await remove(name);
  });

  itBeyondContainerd16('that a container uses is refused, until that is removed', async () => {
    const id = await pull(variantName('cri-a'));
    const pod = await bed.runPod();
    const containerId = await bed.start(pod, { image: { image: id } });
    expect(await expectRefusal(remove(id), status.FAILED_PRECONDITION)).toContain('is used by');
    expect((await statusOf(id))?.repoTags).toEqual([variantName('cri-a')]);
    await bed.runtime.removeContainer({ containerId });
    await remove(id);
    expect(await statusOf(id)).toBeUndefined();
  });
});

it('one id stands for an image in pulls, lists and containers', async () => {
  const id = await pull(variantName('cri-a'));
  const containerId = await bed.start(await bed.runPod(), { image: { image: id } });
  const { containers } = await bed.runtime.listContainers({ filter: { id: containerId } });
  expect(containers.map(({ imageRef }) => imageRef)).toEqual([id]);
  const shown = await bed.status(containerId);
  expect([id, `${REPOSITORY}@${digest}`]).toContain(shown.imageRef);
});

describe('the file system of images', () => {
  itBeyondContainerd16('is told with its usage, which grows with pulls', async () => {
    const usage = async () => {
      const { imageFilesystems } = await bed.images.imageFsInfo();
      expect(imageFilesystems).toHaveLength(1);
      const [found] = imageFilesystems;
      expect(found?.fsId?.mountpoint).toMatch(/^\//);
      expect(found?.inodesUsed?.value).toBeGreaterThan(0n);
      expect(Math.abs(Date.now() - Number((found?.timestamp ?? 0n) / 1_000_000n))).toBeLessThan(60_000);
      return found?.usedBytes?.value ?? 0n;
    };
    await pull(variantName('cri-a'));
    const before = await usage();
    expect(before).toBeGreaterThan(100_000n);
    const { imageFilesystems, containerFilesystems } = await bed.images.imageFsInfo();
    expect(containerFilesystems.map(({ fsId }) => fsId)).toEqual(imageFilesystems.map(({ fsId }) => fsId));
    await pull(testImages.layers);
    expect(await usage()).toBeGreaterThan(before);
  });
});
