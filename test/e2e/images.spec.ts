import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { authRegistry, testArchives, testImages, testRegistry } from '../host/images.js';
import { imagesTestBed, run } from './images-test-bed.js';

const { at, cleanups, digestOf, failure, imageOf, pushList, start, storage } = imagesTestBed();

describe('pulling', () => {
  it('tells its progress, layer by layer, and ends with the image', async () => {
    const { pull, images } = await start();
    const events = await pull(testImages.layers);
    expect(events[0]).toEqual({ type: 'resolving', reference: testImages.layers });
    const layers = events.filter((event) => event.type === 'layer');
    const states = new Map<string, string[]>();
    for (const { digest, state, totalBytes } of layers) {
      expect(totalBytes).toBeGreaterThan(0);
      states.set(digest, [...(states.get(digest) ?? []), state]);
    }
    expect([...states.values()]).toEqual(Array.from({ length: 4 }, () => ['downloading', 'done']));
    expect(events.slice(-2).map(({ type }) => type)).toEqual(['storing', 'done']);
    const image = imageOf(events);
    expect(image).toMatchObject({ repoTags: [testImages.layers], uid: 0 });
    expect(image.repoDigests).toEqual([
      expect.stringMatching(/^127\.0\.0\.1:5000\/podwright\/layers@sha256:/),
    ]);
    expect(await images.imageStatus(testImages.layers)).toEqual(image);
    expect(await images.listImages()).toEqual([image]);
  });

  it('says of layers that are there that they are present', async () => {
    const { pull } = await start();
    await pull(testImages.busybox);
    const again = (await pull(testImages.busybox)).flatMap((event) =>
      event.type === 'layer' ? [event.state] : [],
    );
    expect(again).toEqual(['present']);
    const web = (await pull(testImages.web)).flatMap((event) =>
      event.type === 'layer' ? [event.state] : [],
    );
    expect(web).toEqual(['present', 'downloading', 'done']);
  });

  it('gives the layers in the order that overlay wants', async () => {
    const { pull, store } = await start();
    await pull(testImages.layers);
    const stored = await store.resolve(testImages.layers);
    expect(stored?.lowerDirs).toHaveLength(4);
    mkdirSync(at('root'));
    run('mount', '-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${stored?.lowerDirs.join(':')}`, at('root'));
    cleanups.push(() => {
      run('umount', at('root'));
    });
    expect(readFileSync(at('root/data/a'), 'utf8')).toBe('a of layer 2\n');
    expect(readdirSync(at('root/data')).sort()).toEqual(['a', 'c']);
    expect(readdirSync(at('root/opaque'))).toEqual(['new']);
    expect(statSync(at('root/turned')).isFile()).toBe(true);
  });

  it('reads user, environment, entrypoint and signal of the configuration', async () => {
    const { pull, store } = await start();
    expect(imageOf(await pull(testImages.nonroot))).toMatchObject({ username: 'app' });
    expect(imageOf(await pull(testImages.nonrootUid))).toMatchObject({ uid: 1000 });
    await pull(testImages.env);
    await pull(testImages.signal);
    expect((await store.resolve(testImages.env))?.config.config?.Env).toContain('LINES=one\ntwo');
    expect((await store.resolve(testImages.signal))?.config.config).toMatchObject({
      Entrypoint: ['/bin/wait-for-signal'],
      StopSignal: 'SIGUSR1',
    });
  });

  it('records digests as docker does: with tag and digest, the digest counts', async () => {
    const { pull, images } = await start();
    const tagged = imageOf(await pull(testImages.web));
    const digest = digestOf(tagged);
    await images.removeImage(testImages.web);
    const byDigest = imageOf(await pull(`${testRegistry}/podwright/web@${digest}`));
    expect(byDigest).toMatchObject({ id: tagged.id, repoTags: [], repoDigests: tagged.repoDigests });
    const byBoth = imageOf(await pull(`${testRegistry}/podwright/web:whatever@${digest}`));
    expect(byBoth).toEqual(byDigest);
    expect(await images.imageStatus(`${testRegistry}/podwright/web:other@${digest}`)).toEqual(byDigest);
    expect(await images.imageStatus(testImages.web)).toBeUndefined();
    expect(storage('images')).toContain(`name: ${testRegistry}/podwright/web@${digest}`);
  });

  it('takes the manifest for this host out of a list, and knows the image by both digests', async () => {
    const { pull, images } = await start();
    const list = await pushList('list', [
      ['s390x', testImages.web],
      [{ x64: 'amd64' }[process.arch as string] ?? process.arch, testImages.busybox],
    ]);
    const image = imageOf(await pull(`${testRegistry}/podwright/web:list`));
    const plain = imageOf(await pull(testImages.busybox));
    expect(image.id).toBe(plain.id);
    const [own] = plain.repoDigests.map((name) => name.split('@')[1]);
    for (const digest of [list, own]) {
      expect((await images.imageStatus(`${testRegistry}/podwright/web@${digest}`))?.id).toBe(image.id);
    }
    expect(imageOf(await pull(`${testRegistry}/podwright/web@${list}`)).id).toBe(image.id);
  });

  it('says when a list has nothing for this host', async () => {
    const { pull } = await start();
    await pushList('foreign', [['s390x', testImages.web]]);
    const error = await failure(pull(`${testRegistry}/podwright/web:foreign`));
    expect(error).toMatchObject({ kind: 'image-not-found' });
    expect(error.message).toContain('not made for this platform: there is linux/s390x, and not linux/');
    expect(error.details).toMatchObject({ platforms: ['linux/s390x'] });
  });

  it('shares concurrent pulls of one reference', async () => {
    const { pull, copies } = await start();
    const [one, two] = await Promise.all([pull(testImages.web), pull(`${testRegistry}/podwright/web:1`)]);
    expect(two).toEqual(one);
    expect(copies()).toHaveLength(1);
  });

  it('copies nothing again that is as the registry has it', async () => {
    const { pull, copies, images } = await start();
    const done = (await pull(testImages.web)).at(-1);
    expect((await pull(testImages.web)).at(-1)).toEqual(done);
    expect(copies()).toHaveLength(1);
    await images.removeImage(testImages.web);
    expect((await pull(testImages.web)).at(-1)).toEqual(done);
    expect(copies()).toHaveLength(2);
  });

  it('pulls different images at once', async () => {
    const { pull, images } = await start();
    await Promise.all(
      [testImages.web, testImages.layers, testImages.stdout, testImages.nonroot].map((one) => pull(one)),
    );
    expect(await images.listImages()).toHaveLength(4);
  });

  it('leaves no mount, no temporary file and no credentials on the host', async () => {
    const { pull } = await start();
    const { username, password } = authRegistry;
    await pull(authRegistry.busybox, { auth: { username, password } });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(at());
    expect(readdirSync(at('tmp'))).toEqual([]);
    expect(readdirSync(at('run/auth'))).toEqual([]);
  });
});

describe('credentials', () => {
  const { busybox, username, password } = authRegistry;

  it('go through a file that only root can read, and through no command line', async () => {
    const { pull, commands, watchers } = await start();
    const modes = new Set<number>();
    watchers.push(({ args }) => {
      const path = args.find((arg) => arg.startsWith(at('run/auth/')));
      if (path !== undefined) modes.add(statSync(path).mode & 0o777);
    });
    await pull(busybox, { auth: { username, password } });
    expect([...modes]).toEqual([0o600]);
    expect(statSync(at('run/auth')).mode & 0o777).toBe(0o700);
    const encoded = Buffer.from(`${username}:${password}`).toString('base64');
    for (const { args, env } of commands) {
      const shown = JSON.stringify([args, env]);
      expect(shown).not.toContain(password);
      expect(shown).not.toContain(encoded);
    }
  });

  it('can be a file of the caller, which stays', async () => {
    const { pull } = await start();
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    writeFileSync(at('auth.json'), JSON.stringify({ auths: { [authRegistry.address]: { auth } } }));
    expect(imageOf(await pull(busybox, { authFile: at('auth.json') })).repoTags).toEqual([busybox]);
    expect(existsSync(at('auth.json'))).toBe(true);
    expect(await failure(pull(busybox, { authFile: at('absent.json') }))).toMatchObject({
      kind: 'invalid-argument',
    });
  });

  it('are not shared with somebody who pulls the same at the same time', async () => {
    const { pull } = await start();
    const [mine, theirs] = await Promise.allSettled([
      pull(busybox, { auth: { username, password } }),
      pull(busybox, { auth: { username, password: 'wrong' } }),
    ]);
    expect(mine.status).toBe('fulfilled');
    expect(theirs).toMatchObject({ status: 'rejected', reason: { kind: 'unauthorized' } });
  });
});

describe('loading', () => {
  it.each([
    ['an OCI archive', testArchives.oci],
    ['a docker archive', testArchives.docker],
  ])('%s brings the same image as a pull', async (_, path) => {
    const { pull, images } = await start();
    const [loaded] = await images.loadImage(path);
    expect(loaded).toMatchObject({ repoTags: [testArchives.reference], uid: 0 });
    expect(imageOf(await pull(testImages.busybox)).id).toBe(loaded?.id);
    expect(readdirSync(at('tmp'))).toEqual([]);
  });

  it('takes every image of an OCI layout directory', async () => {
    const { images } = await start();
    const layout = '/run/podwright-test/layout';
    const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
      manifests: object[];
    };
    const loaded = await images.loadImage(layout);
    expect(loaded).toHaveLength(manifests.length);
    expect(await images.imageStatus('web')).toMatchObject({ repoTags: ['docker.io/library/web:latest'] });
    expect(await failure(images.loadImage(layout, { reference: 'one:1' }))).toMatchObject({
      kind: 'invalid-argument',
    });
  });

  it('takes compressed archives, paths with a colon, and a name of the caller', async () => {
    const { images } = await start();
    for (const [name, source] of Object.entries({
      'oci:1.tar.gz': testArchives.oci,
      'docker:1.tar.gz': testArchives.docker,
      'oci-bzip2:1.tar.bz2': testArchives.oci,
      'docker-xz:1.tar.xz': testArchives.docker,
      'oci-zstd:1.tar.zst': testArchives.oci,
    })) {
      compress(source, at(name));
      const [loaded] = await images.loadImage(at(name), { reference: `own/${name.split(':')[0]}` });
      expect(loaded?.repoTags).toContain(`docker.io/own/${name.split(':')[0]}:latest`);
    }
    expect(await images.imageStatus(testArchives.reference)).toBeUndefined();
  });

  it.each(['gz', 'bz2', 'xz', 'zst'])(
    'says that an archive of .%s is damaged, and leaves nothing',
    async (ending) => {
      const { images } = await start();
      const path = at(`half.tar.${ending}`);
      compress(testArchives.docker, path);
      truncateSync(path, 10_000);
      expect(await failure(images.loadImage(path))).toMatchObject({ kind: 'invalid-argument' });
      expect(readdirSync(at('tmp'))).toEqual([]);
      expect(await images.listImages()).toEqual([]);
    },
  );

  it('takes a layout directory with an image for several platforms, and names them when ours is absent', async () => {
    const { images } = await start();
    run('cp', '-r', '/run/podwright-test/layout', at('layout'));
    const index = JSON.parse(readFileSync(at('layout/index.json'), 'utf8')) as {
      manifests: { annotations?: Record<string, string>; digest: string; size: number }[];
    };
    const byName = (name: string) =>
      index.manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === name);
    const nested = (architectures: readonly string[]) => {
      const platformOf = (architecture: string) => ({ platform: { os: 'linux', architecture } });
      const manifests = architectures.map((one) => ({
        ...byName('web'),
        annotations: {},
        ...platformOf(one),
      }));
      const text = JSON.stringify({ schemaVersion: 2, manifests });
      const hex = createHash('sha256').update(text).digest('hex');
      writeFileSync(at('layout/blobs/sha256', hex), text);
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const outer = [{ mediaType, digest: `sha256:${hex}`, size: text.length }];
      writeFileSync(at('layout/index.json'), JSON.stringify({ schemaVersion: 2, manifests: outer }));
    };
    nested(['s390x', { x64: 'amd64' }[process.arch as string] ?? process.arch]);
    const [loaded] = await images.loadImage(at('layout'), { reference: 'many:1' });
    expect(loaded?.repoTags).toEqual(['docker.io/library/many:1']);
    nested(['s390x', 'riscv64']);
    const error = await failure(images.loadImage(at('layout')));
    expect(error).toMatchObject({ kind: 'image-not-found' });
    expect(error.message).toContain('there is linux/riscv64, linux/s390x, and not');
  });

  it('takes an image without a name', async () => {
    const { images } = await start();
    run('cp', '-r', '/run/podwright-test/layout', at('layout'));
    const index = JSON.parse(readFileSync(at('layout/index.json'), 'utf8')) as {
      manifests: { annotations?: object }[];
    };
    const [first] = index.manifests;
    delete first?.annotations;
    writeFileSync(at('layout/index.json'), JSON.stringify({ ...index, manifests: [first] }));
    const [loaded] = await images.loadImage(at('layout'));
    expect(loaded).toMatchObject({ repoTags: [], repoDigests: [] });
    expect((await images.listImages()).map(({ id }) => id)).toEqual([loaded?.id]);
  });

  it.each<[string, () => string, string, string]>([
    ['a path that is not there', () => '/absent.tar', 'not-found', '/absent.tar'],
    ['a file that is no archive', () => '/etc/hostname', 'invalid-argument', 'no readable tar'],
    ['a directory that is no layout', () => '/etc', 'invalid-argument', 'no OCI layout'],
    ['an archive of something else', () => tarOf('/etc/hostname'), 'invalid-argument', 'no image'],
    ['half an archive', () => halfOf(testArchives.docker), 'invalid-argument', 'Unexpected EOF'],
  ])('%s is an error', async (_, path, kind, text) => {
    const { images } = await start();
    const error = await failure(images.loadImage(path()));
    expect(error).toMatchObject({ kind });
    expect(error.message).toContain(text);
    expect(await images.listImages()).toEqual([]);
    expect(readdirSync(at('tmp'))).toEqual([]);
  });

  const compress = (source: string, target: string) => {
    const program = { gz: 'gzip', bz2: 'bzip2', xz: 'xz', zst: 'zstd' }[target.split('.').at(-1) ?? ''] ?? '';
    const options = {
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'],
    };
    writeFileSync(target, execFileSync(program, ['--stdout', source], options));
  };
  const tarOf = (path: string) => {
    run('tar', '-cf', at('other.tar'), path);
    return at('other.tar');
  };
  const halfOf = (path: string) => {
    run('cp', path, at('half.tar'));
    truncateSync(at('half.tar'), 100_000);
    return at('half.tar');
  };
});
