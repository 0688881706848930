// Images of public names on a host without the internet: from a mirror on loopback (containers-registries.conf(5)), or out
// of the store, where somebody has put them.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { testImages, testRegistry } from '../../host/images.js';
import { CriBed, expectRefusal, PAUSE } from '../support/cri-bed.js';
import { itBeyondContainerd16 } from '../support/cri-target.js';
import { pushList, pushVariant } from '../support/registry-client.js';

const run = promisify(execFile);
const MIRRORED = ['registry.k8s.io', 'gcr.io', 'docker.io'] as const;
/** Read with every pull; containerd has the same in its own configuration (support/containerd.ts). */
const CONFIGURATION = '/etc/containers/registries.conf.d/podwright-test-mirrors.conf';

let bed: CriBed;
/** Of the mirrored image, and of a list that has it. */
let digest: string;
let listDigest: string;

beforeAll(async () => {
  digest = await pushVariant(['mirrored', 'latest'], { Labels: { cri: 'mirrored' } });
  listDigest = await pushList('mirrored-list', digest);
  await copyTo(`docker://${testRegistry}/library/busybox:latest`, '--dest-tls-verify=false');
  expect(existsSync(CONFIGURATION)).toBe(false);
  mkdirSync(dirname(CONFIGURATION), { recursive: true });
  writeFileSync(CONFIGURATION, MIRRORED.map(mirrorOf).join('\n'));
  bed = await CriBed.start();
});

beforeEach(async () => {
  for (const { id } of await list()) await remove(id);
});

afterEach(() => bed.clean());

afterAll(async () => {
  rmSync(CONFIGURATION, { force: true });
  await bed[Symbol.asyncDispose]();
});

function mirrorOf(registry: string): string {
  return [
    '[[registry]]',
    `prefix = "${registry}"`,
    `location = "${registry}"`,
    '[[registry.mirror]]',
    `location = "${testRegistry}"`,
    'insecure = true',
  ].join('\n');
}

/** Copies the image of the tests with skopeo, as somebody does who prepares a host. */
async function copyTo(destination: string, ...flags: readonly string[]): Promise<void> {
  const source = `docker://${testImages.busybox}`;
  await run('skopeo', ['copy', '--quiet', '--src-tls-verify=false', ...flags, source, destination]);
}

/** For a sandbox that has no metadata, as critest has it in its requests. */
const pull = async (image: string) =>
  (await bed.images.pullImage({ image: { image }, sandboxConfig: { labels: {} } })).imageRef;
const statusOf = async (image: string) => (await bed.images.imageStatus({ image: { image } })).image;
/** But for the one that containerd makes sandboxes of. */
const list = async () =>
  (await bed.images.listImages()).images.filter(({ repoTags }) => !repoTags.includes(testImages.pause));
const remove = (image: string) => bed.images.removeImage({ image: { image } });

const NAME = 'registry.k8s.io/podwright/busybox';
const OTHER = 'gcr.io/podwright/busybox';

it.each<[string, () => string, readonly string[], () => string]>([
  ['by tag', () => `${NAME}:mirrored`, [`${NAME}:mirrored`], () => `${NAME}@${digest}`],
  ['without a tag', () => OTHER, [`${OTHER}:latest`], () => `${OTHER}@${digest}`],
  ['by digest', () => `${NAME}@${digest}`, [], () => `${NAME}@${digest}`],
  ['by the digest of a list', () => `${OTHER}@${listDigest}`, [], () => `${OTHER}@${listDigest}`],
  ['by tag and digest', () => `${NAME}:mirrored@${digest}`, [], () => `${NAME}@${digest}`],
])('a public name %s keeps its name, runs and is removed', async (_, name, repoTags, calledBy) => {
  const id = await pull(name());
  const image = await statusOf(name());
  expect(image).toMatchObject({ id, repoTags, repoDigests: [calledBy()] });
  expect(await list()).toEqual([image]);
  const container = await bed.start(await bed.runPod(), { image: { image: name() }, command: PAUSE });
  expect((await bed.status(container)).imageRef).not.toBe('');
  await bed.clean();
  await remove(name());
  expect([await statusOf(name()), await list()]).toEqual([undefined, []]);
});

it.each(['busybox', 'library/busybox:latest'])(
  'the short name %s is one of docker.io/library',
  async (name) => {
    const id = await pull(name);
    expect(await list()).toMatchObject([{ id, repoTags: ['docker.io/library/busybox:latest'] }]);
    expect((await statusOf('docker.io/library/busybox:latest'))?.id).toBe(id);
    await bed.start(await bed.runPod(), { image: { image: name }, command: PAUSE });
  },
);

itBeyondContainerd16('what neither the mirror nor the registry has is told as both say it', async () => {
  const said = await expectRefusal(pull('gcr.io/podwright/nowhere:1'), status.NOT_FOUND, status.UNAVAILABLE);
  expect(said).toContain(testRegistry);
  expect(said).toContain('gcr.io/podwright/nowhere:1');
});

itBeyondContainerd16('an image that was put into the store needs no registry', async () => {
  const name = 'registry.example.invalid/prepared/busybox:1';
  const store = dirname(dirname(bed.target.address.slice('unix://'.length)));
  await copyTo(`containers-storage:[overlay@${join(store, 'images')}+${join(store, 'images-run')}]${name}`);
  const image = await statusOf(name);
  expect(image).toMatchObject({ repoTags: [name] });
  expect(await list()).toEqual([image]);
  const container = await bed.start(await bed.runPod(), { image: { image: name } });
  expect((await bed.status(container)).image?.image).toBe(name);
});
